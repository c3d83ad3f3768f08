#!/bin/sh
# Measures creditd and Redis side by side: the same load generator, the same machine, in turns, several rounds; prints
# the medians and their ratio. What is compared: a durable check-and-deduct with history (Redis: a script with appendfsync always;
# creditd: credits.consume with a stamp, which is remembered besides), and a read of a balance (Redis: GET).
#
#   sh tests/bench.sh [--json] [--rounds N] [--seconds S]
#
# creditd's background pushes are put off during the run (push_interval = 1h): what is measured is the answering of requests.
set -eu
cd "$(dirname "$0")/.."

json= rounds=3 seconds=3
while [ $# -gt 0 ]; do
    case "$1" in
    --json) json=1 ;;
    --rounds) rounds=$2 && shift ;;
    --seconds) seconds=$2 && shift ;;
    *)
        echo "usage: sh tests/bench.sh [--json] [--rounds N] [--seconds S]" >&2
        exit 2
        ;;
    esac
    shift
done

. tests/install.sh
# shellcheck disable=SC2086
install_missing $build_packages libhiredis-dev redis-server >&2

build=build-bench
[ -f $build/build.ninja ] || meson setup $build -Dbuildtype=release -Dtests=enabled >/dev/null
ninja -C $build --quiet daemon/serve/creditd-serve daemon/sync/creditd-sync daemon/sandbox/creditd-sandbox \
    daemon/hook/creditd-hook daemon/supervisor/creditd tests/bench/creditd-load >&2

work=$(mktemp -d "${BENCH_DIR:-$build}/bench.XXXXXX")
work=$(cd "$work" && pwd)
redis_pid= creditd_pid= sandbox_pid=
finish() {
    [ -z "$redis_pid" ] || kill "$redis_pid" 2>/dev/null || :
    [ -z "$creditd_pid" ] || kill "$creditd_pid" 2>/dev/null || :
    [ -z "$sandbox_pid" ] || kill "$sandbox_pid" 2>/dev/null || :
    wait 2>/dev/null || :
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

mkdir "$work/redis"
redis-server --port 0 --unixsocket "$work/redis.sock" --dir "$work/redis" --save '' --appendonly yes \
    --appendfsync always --loglevel warning --daemonize no >"$work/redis.log" 2>&1 &
redis_pid=$!

cat >"$work/seed.json" <<'JSON'
{"products": [{"id": "prod_tokens", "units_per_credit": 1}],
 "generate": {"customers": 1000, "product_id": "prod_tokens", "balance": 2000000000}}
JSON
$build/daemon/sandbox/creditd-sandbox --seed "$work/seed.json" >"$work/sandbox.out" 2>"$work/sandbox.log" &
sandbox_pid=$!
tries=0
until grep -q listening "$work/sandbox.out"; do
    tries=$((tries + 1))
    [ $tries -lt 200 ] || exit 1
    sleep 0.05
done

cat >"$work/creditd.conf" <<CONF
[stellartools]
base_url = $(sed -n 's/^listening on //p' "$work/sandbox.out")
[credits]
push_interval = 1h
refresh_interval = 1h
[limits]
upstream_turns_per_user = 1000000
upstream_turns_per_customer = 1000000
CONF
STELLAR_TOOLS_API_KEY=sk_test_bench $build/daemon/supervisor/creditd --config "$work/creditd.conf" \
    --socket "$work/creditd.sock" --state-dir "$work/state" >"$work/creditd.log" 2>&1 &
creditd_pid=$!

for socket in redis.sock creditd.sock; do
    tries=0
    until [ -S "$work/$socket" ]; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || {
            cat "$work"/*.log >&2
            exit 1
        }
        sleep 0.05
    done
done

load() { # target, operation, clients, pipeline, seconds
    $build/tests/bench/creditd-load --target "$1" --operation "$2" --socket "$work/$1.sock" --clients "$3" \
        --pipeline "$4" --seconds "$5" --seed "$round"
}

# Every balance is brought in once before anything is measured.
round=0
load redis read 10 16 0.5 >/dev/null
load creditd read 50 16 5 >/dev/null

[ -n "$json" ] || printf '%-10s %8s %9s %12s %12s %7s\n' case clients pipeline creditd/s Redis/s ratio
for case in "consume 1 1" "consume 50 1" "consume 50 16" "read 1 1" "read 50 1" "read 50 16"; do
    # shellcheck disable=SC2086
    set -- $case
    : >"$work/creditd.rates"
    : >"$work/redis.rates"
    round=1
    while [ $round -le "$rounds" ]; do
        for target in creditd redis; do
            load $target "$1" "$2" "$3" "$seconds" >>"$work/$target.rates"
        done
        round=$((round + 1))
    done
    for target in creditd redis; do
        sort -n "$work/$target.rates" | awk '{ rate[NR] = $1 } END { print rate[int((NR + 1) / 2)] }' >"$work/$target.median"
    done
    awk -v name="$1" -v clients="$2" -v pipeline="$3" -v creditd="$(cat "$work/creditd.median")" \
        -v redis="$(cat "$work/redis.median")" -v json="$json" 'BEGIN {
        ratio = creditd / redis
        if (json) printf "{\"case\": \"%s\", \"clients\": %d, \"pipeline\": %d, \"creditd\": %d, \"redis\": %d, \"ratio\": %.2f}\n", name, clients, pipeline, creditd, redis, ratio
        else printf "%-10s %8d %9d %12d %12d %7.2f\n", name, clients, pipeline, creditd, redis, ratio
    }'
done
