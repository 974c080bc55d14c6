#!/usr/bin/env bash
# Runs every fuzz target of the module, two at a time, and says how many inputs each tried.
# usage: scripts/fuzz.sh DURATION        such as 5s: the time for each target
#        scripts/fuzz.sh build           only builds, one package at a time, into the folder AZX_FUZZ_BINARIES
# With AZX_FUZZ_BINARIES set, what was built there is run and not built again.
set -euo pipefail
cd "$(dirname "$0")/.."
export duration=${1:?usage: scripts/fuzz.sh DURATION, or build}
binaries=${AZX_FUZZ_BINARIES:-}
if [ -z "$binaries" ]; then
  binaries=$(mktemp -d)
  trap 'rm -rf "$binaries"' EXIT
fi
cache=$(go env GOCACHE)/fuzz
export binaries cache

# targets prints "package-folder FuzzName..." for every package with fuzz targets, those with most of them first.
targets() {
  grep -roE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]+\(f \*testing\.F\)' . |
    sed -E 's,^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]+)\(.*,\1 \2,' | sort |
    awk '{all[$1] = all[$1] " " $2; n[$1]++} END {for (p in all) print n[p], p all[p]}' | sort -k1,1nr -k2 | cut -d' ' -f2-
}

# only_late OUTPUT: the one complaint is that the time was up, which is reported as a failure now and then
# (golang/go#75804, mended in Go 1.27). What it finds is always written to a file.
only_late() {
  grep -q 'context deadline exceeded' <<<"$1" && ! grep -q -e 'Failing input written' -e panic <<<"$1"
}

# build FOLDER: builds the tests of a package once, without what only a debugger reads, and prints the binary's path.
build() {
  local binary
  binary=$binaries/$(tr / _ <<<"$1").test
  [ -x "$binary" ] || go test -c -vet=off -ldflags='-s -w' -fuzz=. -o "$binary" "$1" >&2 || return
  echo "$binary"
}

# fuzz FOLDER TARGET...: one line for each target of a package in which nothing was found, and everything when something was.
# 255 tells xargs to start nothing further.
fuzz() {
  local out binary target dir=$1
  binary=$(build "$dir") || exit 255
  for target in "${@:2}"; do
    if ! out=$(cd "$dir" && "$binary" -test.run='^$' -test.fuzz="^$target\$" -test.fuzztime="$duration" -test.parallel=1 \
      -test.fuzzcachedir="$cache/azx/$dir" 2>&1) && ! only_late "$out"; then
      printf 'FAIL %s %s\n%s\n' "$dir" "$target" "$out"
      exit 255
    fi
    out=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' <<<"$out" | tail -1)
    printf 'ok   %s %s: %s inputs\n' "$dir" "$target" "${out:-0}"
  done
  rm -f "$binary"
}
export -f build fuzz only_late

found=$(targets) || { echo "no fuzz target found" >&2; exit 1; }
if [ "$duration" = build ]; then
  while read -r dir _; do
    build "$dir" >/dev/null
  done <<<"$found"
  exit
fi
# shellcheck disable=SC2016
xargs -P 2 -L 1 bash -c 'fuzz "$0" "$@"' <<<"$found"
echo "fuzz targets: $(grep -o Fuzz <<<"$found" | wc -l), $duration each"
