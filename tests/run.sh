#!/bin/sh
# Installs what is missing, builds, and runs all tests: once as they will be used, once under AddressSanitizer and
# UndefinedBehaviorSanitizer. Ends with the line "N passed, N failed" and a status that says the same.
#
#   sh tests/run.sh             everything
#   sh tests/run.sh --quick     without the second, sanitized run
set -eu
cd "$(dirname "$0")/.."

quick=
case "${1-}" in
"") ;;
--quick) quick=1 ;;
*)
    echo "usage: sh tests/run.sh [--quick]" >&2
    exit 2
    ;;
esac

. tests/install.sh
# shellcheck disable=SC2086
install_missing $build_packages $test_packages
# Some tests talk to the real Better Auth, from npm, and one has nginx in front of it. They are skipped where there is no
# Node or no nginx; the checks of a change have them.
if [ "${CI-}" = true ]; then
    # The same dice for every change: what they have not found yet is nobody's fault who comes by. Elsewhere they go on.
    export CREDITD_SEED="${CREDITD_SEED-1}" CREDITD_FAULT_SEED="${CREDITD_FAULT_SEED-1}"
    command -v npm >/dev/null || install_missing nodejs npm
    PATH=$PATH:/usr/sbin command -v nginx >/dev/null || install_without_service nginx-light nginx
fi

build() { # directory, options…
    directory=$1
    shift
    if [ ! -f "$directory/build.ninja" ]; then
        meson setup "$directory" "$@" >"$directory.log" 2>&1 || {
            cat "$directory.log"
            exit 1
        }
        mv "$directory.log" "$directory/setup.log"
    fi
    ninja -C "$directory" --quiet 2>&1 || ninja -C "$directory"
}

run() { # directory, what it is called, options…
    directory=$1
    shift
    # Limits of time are for what hangs, not for machines that are slow.
    meson test -C "$directory" --no-rebuild --print-errorlogs --timeout-multiplier 4 "$@" || failed_run=1
    python3 tests/count.py "$directory/meson-logs/testlog.json" >>"$counts"
}

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
failed_run=

build build -Dtests=enabled
run build
if [ -z "$quick" ]; then
    build build-asan -Dtests=enabled -Db_sanitize=address,undefined -Db_lundef=false
    run build-asan
fi

python3 - "$counts" "$failed_run" <<'PYTHON'
import sys
passed = failed = 0
for line in open(sys.argv[1]):
    p, f = map(int, line.split())
    passed += p
    failed += f
if sys.argv[2] and not failed:
    failed = 1
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed or not passed else 0)
PYTHON
