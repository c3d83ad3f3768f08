#!/bin/sh
# The main job, told with real parts and their real output: credits are spent while StellarTools is there, while it is
# away, and while the daemon is killed; in the end both sides agree to the credit. Whatever is claimed is compared; where
# figures disagree it says which, and exits with 1.
#
#   sh tests/demo.sh
set -eu
cd "$(dirname "$0")/.."

. tests/install.sh
# shellcheck disable=SC2086
install_missing $build_packages curl

if [ ! -f build/build.ninja ]; then
    meson setup build -Dtests=enabled >build.log 2>&1 || {
        cat build.log >&2
        exit 1
    }
    mv build.log build/setup.log
fi
[ -t 1 ] && echo "Building in build/ ..."
programs="daemon/supervisor/creditd daemon/serve/creditd-serve daemon/sync/creditd-sync
    daemon/hook/creditd-hook daemon/sandbox/creditd-sandbox client/creditctl tests/fault/spender"
# shellcheck disable=SC2086
ninja -C build $programs >build/demo.log 2>&1 || {
    cat build/demo.log >&2
    exit 1
}
build=$PWD/build

# --- what the story is told with ---

work=$(mktemp -d "${TMPDIR:-/tmp}/creditd-demo.XXXXXX")
creditd_pid= sandbox_pid= spender_pid=
finish() {
    for pid in $spender_pid $creditd_pid $sandbox_pid; do
        kill "$pid" 2>/dev/null || :
    done
    wait
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

step=0
say() {
    step=$((step + 1))
    printf '\n%d. %s\n' "$step" "$*"
}

fail() {
    printf '\nFAILED: %s\n' "$*" >&2
    [ ! -s "$work/creditd.log" ] || { echo "What creditd said:" >&2 && tail -n 20 "$work/creditd.log" >&2; }
    exit 1
}

# Runs a command, and shows it and what it says.
show() {
    printf '   $ %s\n' "$*"
    run "$@"
    sed 's/^/     /' "$work/output"
}

run() {
    "$@" >"$work/output" 2>&1 || {
        status=$?
        cat "$work/output"
        fail "exit status $status of: $*"
    }
}

show_balance() {
    echo "   $ creditctl balance --customer cus_ada prod_tokens | head -n 4"
    run creditctl balance --customer cus_ada prod_tokens
    head -n 4 "$work/output" | sed 's/^/     /'
}

same() { # what, one figure, the other
    [ "$2" = "$3" ] || fail "$1: $2 is not $3"
    printf '   = %s: %s\n' "$1" "$2"
}

# Waits until a command succeeds, for at most so many seconds.
within() { # seconds, what for, command…
    tries=$(($1 * 20)) goal=$2
    shift 2
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "waited in vain: $goal"
        sleep 0.05
    done
}

creditctl() { "$build/client/creditctl" --socket "$work/creditd.sock" "$@"; }
figure() { sed -n "s/.*\"$1\":\([0-9][0-9]*\).*/\1/p"; }
ours() { creditctl --json balance --customer cus_ada prod_tokens | figure "$1"; }
theirs() {
    curl -sS "$url/_sandbox/dump" >"$work/dump"
    grep '"granted"' "$work/dump" | grep '"cus_ada"' | grep '"prod_tokens"' | figure "$1"
}
nothing_pending() { [ "$(ours pending)" = 0 ]; }
child() { # the process of that role
    for pid in $(cat "/proc/$creditd_pid/task/$creditd_pid/children"); do
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$1" ] || echo "$pid"
    done
}
serve_is_another() {
    another=$(child creditd-serve)
    [ -n "$another" ] && [ "$another" != "$serve" ]
}
more_than() { [ "$(ours pending)" -gt "$1" ]; }

# --- a StellarTools and a daemon ---

"$build/daemon/sandbox/creditd-sandbox" >"$work/sandbox" 2>"$work/sandbox.log" &
sandbox_pid=$!
within 10 "the sandbox" grep -qs listening "$work/sandbox"
url=$(sed -n 's/^listening on //p' "$work/sandbox")

(umask 077 && echo sk_test_demo >"$work/api_key")
cat >"$work/creditd.conf" <<CONF
[stellartools]
base_url = $url
api_key_file = $work/api_key

[credits]
push_interval = 200ms
refresh_interval = 2s
in_doubt_delay = 1s

[paths]
state_directory = $work/state
CONF
"$build/daemon/supervisor/creditd" --config "$work/creditd.conf" --socket "$work/creditd.sock" \
    >"$work/creditd" 2>"$work/creditd.log" &
creditd_pid=$!
within 20 "creditd" grep -qs ready "$work/creditd"
echo "creditd runs, with a StellarTools of its own at $url, where Ada has 1,000,000 credits."

# --- the story ---

say "An app spends 250 of Ada's credits. creditd has asked StellarTools once; it will tell it within 200 ms."
show creditctl consume --customer cus_ada prod_tokens 250
within 10 "the first push" nothing_pending
show_balance
same "StellarTools has counted" "$(theirs consumed)" 250

say "StellarTools goes down: every connection is dropped."
show curl -sS -o /dev/null -d '{"down": true}' "$url/_sandbox/faults"

say "The app spends on. Nobody notices, except that the answer says how old StellarTools' word is."
show creditctl consume --customer cus_ada prod_tokens 100
show creditctl consume --customer cus_ada prod_tokens 50
sleep 1 # so that the status has something to tell
show creditctl status
same "deducted here and not yet told" "$(ours pending)" 150

say "A second app spends one credit after the other, as fast as it is answered. In the middle of it the daemon is killed."
"$build/tests/fault/spender" "$work/creditd.sock" prod_tokens cus_ada >"$work/spent" 2>"$work/spender.log" &
spender_pid=$!
within 20 "the second app" more_than 400
serve=$(child creditd-serve)
show kill -KILL "$serve"
within 20 "another creditd-serve" serve_is_another
echo "     creditd-serve was process $serve and is process $another now"

say "It is back: the app never stopped. It goes on for a moment; then it says what was acknowledged to it."
within 20 "more spending" more_than $(($(ours pending) + 400))
kill "$spender_pid"
wait "$spender_pid" || fail "the second app: $(cat "$work/spender.log")"
spender_pid=
sed 's/^/     /' "$work/spent"
acknowledged=$(sed -n 's/.* acknowledged, \([0-9]*\) credits.*/\1/p' "$work/spent")
show_balance
same "acknowledged to the apps, and deducted" $((150 + acknowledged)) "$(ours pending)"
same "left of a million" "$(ours balance)" $((1000000 - 400 - acknowledged))

say "StellarTools returns."
show curl -sS -o /dev/null -d '{"down": false}' "$url/_sandbox/faults"
within 40 "all pushes" nothing_pending
show creditctl status

say "Both sides agree."
total=$((400 + acknowledged))
same "credits that StellarTools has taken" "$(theirs consumed)" "$total"
same "credits that are left there, and here" "$(theirs balance)" "$(ours balance)"
rows=$(grep -c '"type":"deduct"' "$work/dump")
named=$(grep '"type":"deduct"' "$work/dump" | sed -n 's/.*"creditd_push":"\([^"]*\)".*/\1/p' | sort -u | wc -l)
same "rows in its history, each under a push id of its own" "$rows" "$named"
printf '   %d deductions took %d requests to StellarTools that change something, and %d in all (with those that it dropped).\n' \
    "$((3 + $(sed -n 's/ acknowledged.*//p' "$work/spent")))" "$(figure deduct <"$work/dump")" "$(figure total <"$work/dump")"

say "The end: creditd stops in order."
kill "$creditd_pid"
status=0
wait "$creditd_pid" || status=$?
creditd_pid=
same "exit status of creditd" "$status" 0
echo
echo "Nothing was lost, nothing was counted twice."
