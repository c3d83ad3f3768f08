#!/bin/sh
# Inside the machine of tests/systemd.sh: installs as the README says, and does to creditd what operators, crashes and a
# reboot do. A line for each check; at the end the machine is switched off.
set -u
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
trap 'echo "the end"; systemctl poweroff' EXIT
configuration=/etc/creditd/creditd.conf
url=http://127.0.0.1:8099

check() { # what, command…
    what=$1
    shift
    if "$@" >/tmp/said 2>&1; then
        echo "ok: $what"
    else
        echo "failed: $what: $*: $(tail -n 3 /tmp/said | tr '\n' ' ')"
    fi
}
fails() { ! "$@"; }
within() { # seconds, command…
    tries=$(($1 * 5))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || return 1
        sleep 0.2
    done
}
as() { # user, command…
    user=$1
    shift
    runuser -u "$user" -- "$@"
}
all_run() { systemctl is-active creditd-serve creditd-sync creditd-hook creditd.socket creditd-sync.socket creditd-hook.socket; }
ask() { creditctl --wait --timeout 60 "$@"; }
ours() { ask --json balance --customer cus_ada prod_tokens | jq ".$1"; }
theirs() {
    curl -sS "$url/_sandbox/dump?transactions=0" |
        jq '.balances[] | select(.customer_id == "cus_ada" and .product_id == "prod_tokens") | .consumed'
}
# One credit after the other, each asked for under its own key until it is answered.
spend() {
    count=0
    until [ -e /tmp/enough ]; do
        until as app creditctl --wait consume --customer cus_ada prod_tokens 1 --key "key-$count"; do
            sleep 0.1
        done
        count=$((count + 1))
        echo $count >/tmp/spent
    done
}
nothing_pending() { [ "$(ours pending)" = 0 ]; }
pid() { systemctl show -p MainPID --value "$1"; }
said() { journalctl -b -u "$1" -o cat | grep -q "$2"; } # unit, pattern
configure() { # the hook, how long to wait in doubt
    cat >$configuration <<CONF
[stellartools]
base_url = $url
[credits]
push_interval = 200ms
in_doubt_delay = $2
[access]
consume = app
read = app
[hooks]
on_event = $1
CONF
}

if [ -e /var/lib/creditd ]; then
    check "after a reboot everything runs" within 60 all_run
    check "the ledger was kept" [ "$(ours consumed)" = "$(cat /root/consumed)" ]
    check "HTTP comes with the first request" curl -sSf --unix-socket /run/creditd/http.sock http://localhost/readyz
    exit
fi

useradd app
useradd stranger
systemd-run -q --unit stand-in -p DynamicUser=yes /usr/local/bin/creditd-sandbox --listen 127.0.0.1:8099
# What a filter of system calls keeps from a role is then in the kernel's log.
for role in serve sync http hook; do
    mkdir -p /etc/systemd/system/creditd-$role.service.d
    printf '[Service]\nSystemCallLog=~@system-service\n' >/etc/systemd/system/creditd-$role.service.d/log.conf
done
echo 'SystemCallLog=~@setuid' >>/etc/systemd/system/creditd-hook.service.d/log.conf

check "users and directories" sh -c 'systemd-sysusers && systemd-tmpfiles --create && ldconfig && systemctl daemon-reload'
check "systemd has nothing to say" sh -c '! systemd-analyze verify creditd.target creditd-http.socket 2>&1 | grep .'
check "it is enabled and started, without a key or a configuration" systemctl enable --now creditd.target
check "everything runs" within 60 all_run
check "creditd-sync says that it has no key" said creditd-sync "no API key is configured"

# A configuration, and then the key.
printf '#!/bin/sh\necho "as $(id -un) with $(grep CapEff /proc/self/status)"\n' >/usr/local/bin/hook
chmod 755 /usr/local/bin/hook
configure /usr/local/bin/hook 2s
check "a reload finds the first configuration" systemctl reload creditd-serve
(umask 077 && echo sk_test_guest >/etc/creditd/api_key)
check "the key is taken with a restart" systemctl restart creditd-sync
check "who is listed spends" within 30 as app creditctl --wait consume --customer cus_ada prod_tokens 3
check "who is not listed does not" fails as stranger creditctl consume --customer cus_ada prod_tokens 3
for role in sync hook; do
    check "nobody else plays creditd-$role" [ "$(stat -c '%a %U' /run/creditd/$role.sock)" = "600 creditd-$role" ]
done
echo 'colour = blue' >>$configuration
check "a reload with a mistake fails" fails systemctl reload creditd-serve
check "and changes nothing" as app creditctl consume --customer cus_ada prod_tokens 3
configure /usr/local/bin/hook 2s

# What each may.
network() { readlink "/proc/$1/ns/net"; }
check "serve has no network" [ "$(network "$(pid creditd-serve)")" != "$(network 1)" ]
check "creditd-sync has" [ "$(network "$(pid creditd-sync)")" = "$(network 1)" ]
check "serve has no capability" grep -q '^CapBnd:[[:space:]]*0*$' "/proc/$(pid creditd-serve)/status"
check "the key is its reader's alone" fails as creditd-serve cat /run/credentials/creditd-sync.service/api_key
check "a backup in a private /tmp is refused" fails ask backup /tmp/backup
check "a backup" ask backup /var/lib/creditd/backup
check "the backup is whole" creditctl verify /var/lib/creditd/backup
rm -rf /var/lib/creditd/backup
check "an event has its hook run" ask customer create --user u_1 --email u1@example.com --name U1
check "as another user, without capabilities" within 60 said creditd-hook 'as creditd-hook-run with CapEff:.*0000000000000000'
check "HTTP is enabled" systemctl enable --now creditd-http.socket
check "HTTP answers" curl -sSf --unix-socket /run/creditd/http.sock http://localhost/readyz

# Deaths, a restart and an upgrade while somebody spends.
spend >/tmp/spend 2>&1 &
spender=$!
for role in serve sync serve hook serve serve serve serve serve; do
    systemctl kill -s KILL creditd-$role
    sleep 1
done
check "everything runs again" within 120 all_run
check "the roles are restarted" systemctl try-restart creditd-serve creditd-sync creditd-hook creditd-http
check "a balance after that" ask balance --customer cus_ada prod_tokens
touch /tmp/enough
check "the last deduction was answered" wait $spender
check "everything is sent" within 120 nothing_pending
acknowledged=$(cat /tmp/spent)
check "StellarTools has taken what was acknowledged" [ "$(theirs)" = $((6 + acknowledged)) ]

# What is under way at a stop is ended, not left in doubt.
configure /usr/local/bin/hook 1h
check "an hour of doubt" systemctl reload creditd-serve
curl -sS -o /dev/null -d '{"latency": 1500}' $url/_sandbox/faults
check "spending on" ask consume --customer cus_ada prod_tokens 5
check "a push is under way" within 20 sh -c 'creditctl push list | grep -q sending'
check "creditd stops" systemctl stop 'creditd*'
check "no role is left" fails pgrep -x 'creditd-(serve|sync|hook|http)'
curl -sS -o /dev/null -d '{"latency": 0}' $url/_sandbox/faults
check "creditd starts" systemctl start creditd.target
check "the push was not in doubt" within 30 nothing_pending
ask --json balance --customer cus_ada prod_tokens --fresh | jq .consumed >/root/consumed
check "each credit was taken once" [ "$(theirs)" = $((11 + acknowledged)) ]
kept() { journalctl -b -k -o cat | grep type=1326 | grep -v 'exe="/usr/lib/systemd/systemd"'; }
check "no role asked for what is kept from it" fails kept
