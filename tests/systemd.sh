#!/bin/sh
# The units of systemd/ under a real systemd: installs creditd into a Debian of its own, boots that in an emulated machine
# twice, and lets tests/systemd/guest.sh look at it from inside. Ends with the line "N passed, N failed".
#
#   sh tests/systemd.sh         as root, on Debian 12; some eight minutes, the second time four
#
# A developer runs it after a change to the units; tests/run.sh does not, since an emulated machine is slow, and how slow
# depends on what else the real one does. What it makes stays in build-systemd/.
set -eu
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || {
    echo "Making a Debian with debootstrap takes root." >&2
    exit 1
}
. tests/install.sh
# shellcheck disable=SC2086
install_missing $build_packages debootstrap qemu-system-x86 e2fsprogs

work=$PWD/build-systemd
mkdir -p "$work"
build=$work/build
[ -f "$build/build.ninja" ] || meson setup "$build" -Dbuildtype=release -Dtests=disabled >"$work/setup.log"
ninja -C "$build" --quiet >&2

if [ ! -d "$work/debian" ]; then
    echo "A Debian, once ..."
    rm -rf "$work/debian.new"
    packages=systemd,systemd-sysv,udev,libnss-systemd,dbus,procps,util-linux,kmod,curl,jq
    packages=$packages,linux-image-cloud-amd64,initramfs-tools,zstd
    packages=$packages,libuv1,libcurl4,libmsgpackc2,liblmdb0,libjansson4,libinih1,libmicrohttpd12,libssl3
    debootstrap --variant=minbase --include="$packages" \
        "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/debian.new" >"$work/debootstrap.log" || {
        tail "$work/debootstrap.log" >&2
        exit 1
    }
    mv "$work/debian.new" "$work/debian"
fi

rm -rf "$work/root" "$work/disk"
cp -a "$work/debian" "$work/root"
DESTDIR=$work/root meson install -C "$build" --no-rebuild --quiet
install -m 755 tests/systemd/guest.sh "$work/root/usr/local/bin"
install -m 644 tests/systemd/guest.service "$work/root/etc/systemd/system"
mkdir -p "$work/root/etc/systemd/system/multi-user.target.wants"
ln -s ../guest.service "$work/root/etc/systemd/system/multi-user.target.wants"
echo '/dev/vda / ext4 defaults 0 0' >"$work/root/etc/fstab"
mke2fs -q -t ext4 -d "$work/root" "$work/disk" 4G >&2
rm -rf "$work/root"

boot() { # where the guest's words go
    timeout 900 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -m 2048 -smp 2 \
        -display none -monitor none -nic none -no-reboot \
        -kernel "$work/debian/vmlinuz" -initrd "$work/debian/initrd.img" \
        -append "root=/dev/vda rw console=ttyS0 quiet" \
        -drive "file=$work/disk,format=raw,if=virtio" -device virtio-rng-pci \
        -serial "file:$work/console" -serial "file:$1" || echo "failed: the machine" >>"$1"
    tr -d '\r' <"$1"
}

{
    boot "$work/first"
    boot "$work/second"
} | tee "$work/result"
passed=$(grep -c '^ok' "$work/result") || :
failed=$(grep -c '^failed' "$work/result") || :
ended=$(grep -c '^the end$' "$work/result") || :
[ "$ended" = 2 ] || failed=$((failed + 1))
rm -f "$work/disk"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
