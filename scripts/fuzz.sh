#!/usr/bin/env bash
# Runs every fuzz target of the module, two at a time, and says how many inputs each tried.
# usage: scripts/fuzz.sh DURATION        such as 5s: the time for each target
set -euo pipefail
cd "$(dirname "$0")/.."
export duration=${1:?usage: scripts/fuzz.sh DURATION}

# targets prints "package-folder FuzzName" for every fuzz target.
targets() {
  grep -roE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz[A-Za-z0-9_]+\(f \*testing\.F\)' . |
    sed -E 's,^(.*)/[^/]+:func (Fuzz[A-Za-z0-9_]+)\(.*,\1 \2,' | sort
}

# only_late OUTPUT: the one complaint is that the time was up, which go test reports as a failure now and
# then (golang/go#75804, mended in Go 1.27). What it finds is always written to a file.
only_late() {
  grep -q 'context deadline exceeded' <<<"$1" && ! grep -q -e 'Failing input written' -e panic <<<"$1"
}

# fuzz FOLDER TARGET: one line when nothing was found, everything when something was.
fuzz() {
  local out
  if ! out=$(go test -run='^$' -fuzz="^$2\$" -fuzztime="$duration" -parallel=1 "$1" 2>&1) && ! only_late "$out"; then
    # 255 tells xargs to start no further target.
    printf 'FAIL %s %s\n%s\n' "$1" "$2" "$out"
    exit 255
  fi
  out=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' <<<"$out" | tail -1)
  printf 'ok   %s %s: %s inputs\n' "$1" "$2" "${out:-0}"
}
export -f fuzz only_late

found=$(targets) || { echo "no fuzz target found" >&2; exit 1; }
# shellcheck disable=SC2016
xargs -P 2 -L 1 bash -c 'fuzz "$0" "$1"' <<<"$found"
echo "fuzz targets: $(wc -l <<<"$found"), $duration each"
