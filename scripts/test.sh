#!/usr/bin/env bash
# Runs the named parts of the test suite one after the other and stops at the first that fails.
# usage: scripts/test.sh PART...     the parts are the functions named part_* below
set -euo pipefail
cd "$(dirname "$0")/.."

# need COMMAND PACKAGE...: fails with what to install when COMMAND is not there.
need() {
  command -v "$1" >/dev/null && return
  echo "$1 is missing. On Debian: apt-get install ${*:2}" >&2
  return 1
}

# go_test FLAG-OR-PACKAGE...: go test without the lines about packages that have no tests.
go_test() {
  go test "$@" 2>&1 | sed '/\[no test files\]$/d'
}

part_lint() { # gofmt and go vet
  local unformatted
  unformatted=$(gofmt -l cmd alwayson extension internal test 2>/dev/null || true)
  if [ -n "$unformatted" ]; then
    printf 'not formatted (run gofmt -w):\n%s\n' "$unformatted"
    return 1
  fi
  go vet ./... || return
  echo "formatted and vetted: $(go list ./... | wc -l) packages"
}

part_arch() { # the house rules that a machine can check
  go_test ./test/arch/...
}

part_unit() { # the tests of every package, with the race detector
  if ! command -v "$(go env CC)" >/dev/null; then
    echo "the race detector needs a C compiler ($(go env CC)). On Debian: apt-get install gcc libc6-dev" >&2
    return 1
  fi
  go list ./... | grep -v '^azx/test/' | CGO_ENABLED=1 xargs go test -race -vet=off -timeout 4m 2>&1 |
    sed '/\[no test files\]$/d'
}

part_conformance() { # clients that others wrote, unmodified, Microsoft's SDKs first of all
  need node nodejs npm || return
  need npm nodejs npm || return
  install_debian test/conformance/debian-packages || return
  install_peers test/conformance || return
  install_peers test/azurite || return
  build_azx || return
  # Every test has a hub of its own, and most of them wait.
  go_test -vet=off -count=1 -parallel 4 -timeout 5m ./test/conformance/...
}

# build_azx builds the azx that the parts behind it test; it is quick when nothing has changed.
build_azx() {
  export AZX_UNDER_TEST=$PWD/bin/under-test/azx # scripts find it on their PATH by its name
  go build -trimpath -buildvcs=false -ldflags=-s -o "$AZX_UNDER_TEST" ./cmd/azx
}

# install_debian FILE: installs the Debian packages that FILE names, one a line, unless they are there.
install_debian() {
  local package missing=()
  while read -r package; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done < <(grep -v '^#' "$1")
  if [ ${#missing[@]} -eq 0 ]; then
    return
  fi
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing, and only root can install them. On Debian: apt-get install ${missing[*]}" >&2
    return 1
  fi
  echo "installing with apt-get: ${missing[*]}"
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"; } >/dev/null
}

# install_peers DIR: installs the Node packages of DIR's lock file unless they are there already.
install_peers() {
  if [ -n "$ahead" ]; then
    wait "$ahead" || true # what it could not install is tried again
    ahead=
  fi
  if cmp -s "$1/package-lock.json" "$1/node_modules/.azx-installed"; then
    return
  fi
  echo "installing with npm in $1: $(npm --prefix "$1" pkg get dependencies --loglevel=error | tr -d '{}"\n')"
  npm --prefix "$1" ci --loglevel=error >/dev/null || return
  cp "$1/package-lock.json" "$1/node_modules/.azx-installed"
}

# install_ahead: installs all Node packages, which is a minute and a half of waiting, while other parts run.
install_ahead() {
  local ahead= dir
  command -v npm >/dev/null || return 0 # the part that needs it says so
  for dir in test/conformance test/azurite test/browser; do
    install_peers "$dir"
  done
}

# unpack_debian PACKAGE FILE: unpacks one program of a Debian package into bin/, unless it is there; installs nothing.
unpack_debian() {
  local dir target
  target="bin/$(basename "$2")"
  if [ -x "$target" ]; then
    return
  fi
  need apt-get apt || return
  need dpkg dpkg || return
  echo "unpacking $target from Debian's package $1, which is not installed"
  dir=$(mktemp -d)
  # apt-get warns that root downloads as root.
  if ! (cd "$dir" && { apt-get download "$1" || { apt-get update -qq && apt-get download "$1"; }; }) >"$dir/log" 2>&1 ||
    ! dpkg -x "$dir"/*.deb "$dir/files"; then
    cat "$dir/log" >&2
    rm -rf "$dir"
    return 1
  fi
  mkdir -p bin && mv "$dir/files/$2" "$target"
  rm -rf "$dir"
}

part_e2e() { # the built binary as its users run it: the documents' commands, the demo, crashes
  need git git || return
  need curl curl || return
  need node nodejs npm || return
  need npm nodejs npm || return
  install_peers test/azurite || return
  unpack_debian prometheus usr/bin/promtool || return
  build_azx || return
  local packages
  packages=$(go list ./test/... | grep -v -e '^azx/test/\(arch\|conformance\|browser\|faults\|e2e\)') || return
  # Most of these tests wait, so two packages, and six tests of each, run side by side on two cores: the longest package,
  # and then one after the other of the rest.
  # shellcheck disable=SC2086
  go_test -vet=off -count=1 -p 2 -parallel 6 -timeout 8m ./test/e2e $packages
}

# The cases of the quick tier: together they check every invariant of docs/reliability.md.
QUICK_FAULTS='F(01|02|03|04|05|07|08|11|19|20|21|22|23|25|30|42|46|49)'

part_faults() { # the fault cases of the quick tier: crashes, cut networks, full disks
  need node nodejs npm || return
  need npm nodejs npm || return
  install_peers test/azurite || return
  build_azx || return
  # Cases wait more than they compute, so four at a time keep two cores busy.
  go_test -vet=off -count=1 -timeout 8m -parallel 4 -run "^Test($QUICK_FAULTS[A-Z]|ThePage)" ./test/faults
}

part_faults-long() { # every fault case in full length with three seeds and both receivers, the connector built with the race detector
  need node nodejs npm || return
  need npm nodejs npm || return
  install_peers test/azurite || return
  local seed receiver failed=0
  mkdir -p bin/faults
  for seed in 1 2 3; do
    receiver=fast
    [ "$seed" != 2 ] || receiver=sdk
    echo "seed $seed, receiver $receiver"
    go test -json -vet=off -count=1 -timeout 80m -parallel 2 ./test/faults -long -race-built -seed "$seed" -receiver "$receiver" |
      tee "bin/faults/seed-$seed.json" | go run ./test/results || failed=1
  done
  go run ./test/results bin/faults/seed-?.json || failed=1
  return $failed
}

part_mutants() { # faults planted into azx: each has to be found by a fault case
  need node nodejs npm || return
  need npm nodejs npm || return
  install_peers test/azurite || return
  go run ./test/mutants
}

part_browser() { # the platform's page in Debian's Chromium; screenshots go to bin/screenshots
  need node nodejs npm || return
  need npm nodejs npm || return
  install_debian test/browser/debian-packages || return
  install_peers test/browser || return
  build_azx || return
  go_test -vet=off -count=1 -timeout 4m ./test/browser/...
}

part_fuzz-short() { # every fuzz target, 5 s each
  if [ -n "$fuzzers" ]; then
    wait "$fuzzers" || true # what it could not build is tried again
    fuzzers=
  fi
  scripts/fuzz.sh 5s
}

part_fuzz-long() { # every fuzz target, 60 s each
  scripts/fuzz.sh 60s
}

need go golang
begin=$SECONDS
passed=0
ahead=   # the process that installs, while it does
fuzzers= # the process that builds the fuzz targets, while it does
folder=  # where it puts them

# clean_up ends what runs ahead.
clean_up() {
  # shellcheck disable=SC2086
  [ -z "$ahead$fuzzers" ] || kill $ahead $fuzzers 2>/dev/null || true
  [ -z "$folder" ] || rm -rf "$folder"
}
trap clean_up EXIT

if [[ " $* " == *" unit "* && " $* " == *" conformance "* ]]; then
  install_ahead &
  ahead=$!
fi
for part in "$@"; do
  what=$(sed -n "s/^part_$part() { # //p" "$0")
  if [ -z "$what" ]; then
    echo "no part is called \"$part\"; there are: $(sed -n 's/^part_\([a-z0-9-]*\)().*/\1/p' "$0" | xargs)" >&2
    exit 2
  fi
  printf '\n== %s: %s\n' "$part" "$what"
  started=$SECONDS
  if [ "$part" = e2e ] && [[ " $* " == *" fuzz-short "* ]]; then
    folder=$(mktemp -d)
    export AZX_FUZZ_BINARIES=$folder
    scripts/fuzz.sh build &
    fuzzers=$!
  fi
  # A function called in a condition runs without errexit: each part ends at its own failures.
  if "part_$part"; then
    passed=$((passed + 1))
    printf -- '-- %s: ok in %d s\n' "$part" $((SECONDS - started))
  else
    printf -- '-- %s: FAILED after %d s\n\n%d s in all\n%d passed, 1 failed\n' \
      "$part" $((SECONDS - started)) $((SECONDS - begin)) "$passed"
    exit 1
  fi
done
printf '\n%d s in all\n%d passed, 0 failed\n' $((SECONDS - begin)) "$passed"
