# Installs what is missing on a Debian machine. Sourced by run.sh, demo.sh and bench.sh:
#   . tests/install.sh; install_missing PACKAGE…
# Prints nothing where nothing is missing.

# What building takes. Recommended packages are not installed: what is needed is named (libc6-dev is one for gcc).
build_packages="gcc libc6-dev binutils meson ninja-build pkg-config python3 libuv1-dev libcurl4-openssl-dev
    libmsgpack-dev liblmdb-dev libcriterion-dev libjansson-dev libinih-dev libmicrohttpd-dev libssl-dev ca-certificates"
# What the tests call besides: c++ looks at the public header, systemd-analyze at the units, which call /bin/kill (procps).
test_packages="g++ clang-format strace systemd procps"

install_missing() {
    missing=
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0

    sudo=
    if [ "$(id -u)" != 0 ]; then
        sudo=sudo
        command -v sudo >/dev/null || {
            echo "These packages are missing, and installing them needs root:$missing" >&2
            return 1
        }
    fi
    echo "Installing:$missing"
    # shellcheck disable=SC2086 # the list is to be split
    $sudo apt-get update -qq &&
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}
