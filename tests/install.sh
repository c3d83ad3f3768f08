# Installs what is missing on a Debian machine. Sourced by run.sh, demo.sh and bench.sh:
#   . tests/install.sh; install_missing PACKAGE…
# Prints nothing where nothing is missing.

# What building takes. Recommended packages are not installed: what is needed is named (libc6-dev is one for gcc).
build_packages="gcc libc6-dev binutils meson ninja-build pkg-config python3 libuv1-dev libcurl4-openssl-dev
    libmsgpack-dev liblmdb-dev libcriterion-dev libjansson-dev libinih-dev libmicrohttpd-dev libssl-dev ca-certificates"
# What the tests call besides: c++ looks at the public header, systemd-analyze at the units, which call /bin/kill (procps);
# the README shows curl, socat and ss (iproute2).
test_packages="g++ clang-format strace systemd procps curl socat iproute2"

is_installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

install_missing() {
    missing=
    for package in "$@"; do
        is_installed "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "These packages are missing, and installing them needs root:$missing" >&2
        return 1
    fi
    echo "Installing:$missing"
    # shellcheck disable=SC2086 # the list is to be split
    as_root apt-get update -qq &&
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# The same for one package that brings a service, which is neither started nor enabled: a test runs the program itself.
install_without_service() { # package, service
    ! is_installed "$1" || return 0
    (
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then
            trap 'as_root rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
            as_root chmod 755 "$policy"
        fi
        install_missing "$1"
    ) || return 1
    ! command -v systemctl >/dev/null || as_root systemctl disable --quiet "$2" 2>/dev/null || :
}
