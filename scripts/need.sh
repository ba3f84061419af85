#!/bin/sh
# Installs Debian packages that are missing: scripts/need.sh PROGRAM=PACKAGE ...
# PROGRAM is a program of PATH, or the path of a file; it is there or PACKAGE brings it.
# Services that a package would start are not started.
set -eu

missing=
for pair in "$@"; do
  program=${pair%%=*} package=${pair#*=}
  case $program in
    /*) [ -e "$program" ] || missing="$missing $package" ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$program" >/dev/null || missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "Missing:$missing. This is not a Debian machine: install them yourself." >&2
  exit 1
fi
as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || { echo "Missing:$missing. Run as root, or: apt-get install$missing" >&2; exit 1; }
  as_root=sudo
fi

echo "Installing Debian packages:$missing"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e $policy ]; then # see invoke-rc.d(8)
  printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
  $as_root chmod 755 $policy
  made=yes
fi
clean() {
  rm -f "$log"
  [ -z "$made" ] || $as_root rm -f $policy
}
trap clean EXIT
install() {
  # shellcheck disable=SC2086 # words are packages
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $missing >>"$log" 2>&1
}
if ! install; then
  $as_root apt-get update -q >>"$log" 2>&1 || true
  install || { cat "$log" >&2; exit 1; }
fi
