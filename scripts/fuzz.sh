#!/bin/sh
# Runs every fuzz target for a while: scripts/fuzz.sh 60s
set -eu
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "$package $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "${1:-60s}" -fuzzminimizetime 10x "$package"
  done
done
