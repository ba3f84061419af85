#!/bin/sh
# Builds what the benchmarks compare with and Debian has no package of, into .tools/peers:
# distribution 3, as it comes.
set -eu
cd "$(dirname "$0")/.."
at=v3.1.2
if [ ! -x .tools/peers/registry ] || [ "$(cat .tools/peers/registry.version 2>/dev/null)" != $at ]; then
  echo "Building distribution $at; this takes two minutes, once."
  mkdir -p .tools/peers
  GOBIN=$PWD/.tools/peers "${GO:-go}" install github.com/distribution/distribution/v3/cmd/registry@$at
  echo $at > .tools/peers/registry.version
fi
