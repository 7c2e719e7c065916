#!/bin/bash
# Make what the lab stands on: a Debian root, its disk image, wheels, and a machine to run it in.
#
#     bash build.sh DIRECTORY uml|qemu    (root, apt, PyPI; about a minute; the host stays as it is)
#
# root/           a small Debian 12: inside it the clients live, and from it the NFS server is run
# root.ext4       the same as the clients' disk, read-only
# packages/       what the service imports, for Debian's Python 3.11
# uml/            user-mode Linux: a kernel that is a program like any other
# qemu/           a Debian root with qemu, which is run from there; vmlinuz, initrd.gz, packages.ext4
set -euo pipefail
directory=$1
machine=$2
here=$(cd "$(dirname "$0")" && pwd)
requirements=$here/../../requirements/demo.txt
packages=python3,nfs-common,nfs-ganesha,nfs-ganesha-vfs,iproute2,kmod

mkdir -p "$directory/debs"
cd "$directory"
fetch() {
	[ -e "$2" ] && return
	rm -rf debs/* "$2.new"
	(cd debs && apt-get -qq -o APT::Sandbox::User=root download "$1")
	dpkg -x debs/"$1"_*.deb "$2.new"
	mv "$2.new" "$2"
}
debian() {
	[ -d "$1" ] && return
	rm -rf "$1.new"
	DEBOOTSTRAP_DIR=$PWD/debootstrap/usr/share/debootstrap sh debootstrap/usr/sbin/debootstrap \
		--variant=minbase --include="$2" bookworm "$1.new" "$mirror" >"debootstrap-$1.log"
	rm -rf "$1".new/var/cache/apt/archives/*.deb "$1".new/var/lib/apt/lists/*
	mv "$1.new" "$1"
}
disk() {
	rm -f "$1.ext4"
	mke2fs -q -t ext4 -O ^has_journal -d "$1" "$1.ext4.new" "$2"
	mv "$1.ext4.new" "$1.ext4"
}
with_modules() {
	mkdir -p root/lib/modules
	rm -rf "root/lib/modules/$(basename "$1")"
	cp -a "$1" root/lib/modules/
	chroot root depmod "$(basename "$1")"
}
apt-cache show user-mode-linux >/dev/null 2>&1 || apt-get -qq update
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
fetch debootstrap debootstrap
debian root "$packages"
if [ ! -d packages ]; then
	rm -rf packages.new
	"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--only-binary=:all: --implementation cp --python-version 3.11 \
		--platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
		--target packages.new --requirement "$requirements"
	mv packages.new packages
fi

case $machine in
uml)
	fetch user-mode-linux uml
	with_modules uml/usr/lib/uml/modules/*
	;;
qemu)
	debian qemu qemu-system-x86,busybox-static
	kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ && !seen++ {print $2}')
	fetch "$kernel" kernel
	release=$(ls kernel/lib/modules)
	with_modules "kernel/lib/modules/$release"
	cp "kernel/boot/vmlinuz-$release" vmlinuz
	rm -rf initrd
	mkdir -p initrd/bin initrd/proc initrd/sys initrd/dev initrd/root
	cp qemu/bin/busybox initrd/bin/
	install -m 755 "$here/initrd-init.sh" initrd/init
	for name in virtio_pci virtio_blk; do
		chroot root modprobe -S "$release" --show-depends "$name" | awk '/^insmod/ {print $2}'
	done | awk '!seen[$0]++' >initrd/modules
	while read -r module; do
		mkdir -p "initrd/$(dirname "$module")"
		cp "root/$module" "initrd/$module"
	done <initrd/modules
	(cd initrd && find . | ./bin/busybox cpio -o -H newc 2>/dev/null | gzip -1 >../initrd.gz)
	disk packages 300M
	;;
esac

mkdir -p root/mnt/efs root/mnt/code root/mnt/packages
install -m 755 "$here/guest-init.sh" root/sbin/lab-init
disk root 900M
rm -rf debs initrd kernel
touch "ready-$machine"
