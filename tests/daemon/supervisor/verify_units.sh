#!/bin/sh
# systemd-analyze has nothing to say about the units. It wants their executables to be there: the
# units are looked at in a copy, whose executables are stand-ins.
set -eu
units=$1 libexecdir=$2 sysusers=$3
command -v systemd-analyze >/dev/null || exit 77

directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
mkdir "$directory/units"
for unit in "$units"/creditd*.target "$units"/creditd*.socket "$units"/creditd*.service; do
    sed "s|$libexecdir/|$directory/|g" "$unit" >"$directory/units/${unit##*/}"
done
for role in $(sed -n 's|^ExecStart=.*/||p' "$units"/*.service); do
    cp /bin/true "$directory/$role"
done
output=$(SYSTEMD_UNIT_PATH="$directory/units:" systemd-analyze verify --man=no \
    "$directory"/units/* 2>&1) && status=0 || status=$?
if [ "$status" -ne 0 ] || [ -n "$output" ]; then
    printf 'status %s\n%s\n' "$status" "$output" >&2
    exit 1
fi

# What must hold whatever else changes: the key is sync's alone, and serve has no network.
grep -L LoadCredential "$units"/*.service | grep -q creditd-serve
grep -L LoadCredential "$units"/*.service | grep -q creditd-hook
grep -q '^LoadCredential=api_key:' "$units/creditd-sync.service"
grep -q '^PrivateNetwork=yes' "$units/creditd-serve.service"
grep -q '^RestrictAddressFamilies=AF_UNIX$' "$units/creditd-serve.service"
grep -q '^SocketMode=0600' "$units/creditd-sync.socket"
grep -q '^SocketUser=creditd-sync' "$units/creditd-sync.socket"
grep -q '^SocketMode=0600' "$units/creditd-hook.socket"
grep -q '^SocketUser=creditd-hook' "$units/creditd-hook.socket"
grep -q '^PrivateNetwork=yes' "$units/creditd-http.service"
grep -q '^SocketMode=0660' "$units/creditd-http.socket"
# A reload begins with a judgement of the configuration: what a role would refuse it is not told to read.
for role in $(sed -n 's|^ExecStart=.*/||p' "$units"/*.service); do
    [ "$(grep '^ExecReload=' "$units/$role.service" | head -n 1)" = "ExecReload=$libexecdir/$role --check" ]
done
# What is under way when all of it stops is ended in order: HTTP, serve, then serve's helpers.
grep -q '^After=creditd-sync.service creditd-hook.service$' "$units/creditd-serve.service"
grep -q '^After=creditd-serve.service$' "$units/creditd-http.service"
for role in $(sed -n 's|^ExecStart=.*/||p' "$units"/*.service); do
    unit="$units/$role.service"
    grep -q '^WatchdogSec=' "$unit"
    # A role that dies again and again is started again for ever: its restarts alone do not reach the limit.
    awk -F= 'BEGIN { span = 10; burst = 5 } /^StartLimitIntervalSec=/ { span = $2 + 0 } /^StartLimitBurst=/ { burst = $2 }
        /^RestartSec=/ { delay = $2 ~ /ms$/ ? $2 / 1000 : $2 + 0 }
        END { exit !(span == 0 || burst > span / delay) }' "$unit"
    # A credential is no condition: its file may be elsewhere, or come later.
    for name in $(sed -n 's/^LoadCredential=\(.*\):.*/\1/p' "$unit"); do
        grep -qF "SetCredential=$name:\\n" "$unit"
    done
done
# A backup in /tmp is refused, not written where it is gone with the service.
grep -q '^ReadOnlyPaths=/tmp /var/tmp$' "$units/creditd-serve.service"
# The names by which creditd-http knows whose roles count; one service has both.
grep -q '^FileDescriptorName=http$' "$units/creditd-http.socket"
grep -q '^FileDescriptorName=http-local$' "$units/creditd-http-local.socket"
grep -q '^Service=creditd-http.service$' "$units/creditd-http-local.socket"
grep -q '^SocketMode=0660' "$units/creditd-http-local.socket"
# Programs of hooks run as another user than creditd-hook: it may change to it, and there is one.
for option in CapabilityBoundingSet AmbientCapabilities; do
    [ "$(sed -n "s/^$option=//p" "$units/creditd-hook.service" | tail -n 1)" = "CAP_SETUID CAP_SETGID CAP_KILL" ]
done
[ "$(sed -n 's/^SystemCallFilter=//p' "$units/creditd-hook.service" | tail -n 1)" = @setuid ]
grep -L '^PrivateUsers=yes' "$units/creditd-hook.service" | grep -q hook
grep -q '^u creditd-hook-run ' "$sysusers"
[ -z "$(grep -l '^User=creditd-hook-run' "$units"/*.service)" ]
users=$(sed -n 's/^User=//p' "$units"/*.service | sort | uniq -d)
[ -z "$users" ]
