#!/bin/bash
# Make what the lab stands on: a Debian root, its disk image, a user-mode Linux kernel, wheels.
#
#     bash build.sh DIRECTORY     (root, apt, PyPI; about a minute; nothing is installed on the host)
#
# root/       a small Debian 12: inside it the clients live, and from it the NFS server is run
# root.ext4   the same as the clients' disk, read-only
# uml/        the kernel, a program like any other
# packages/   what the service imports, for Debian's Python 3.11
set -euo pipefail
directory=$1
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
apt-cache show user-mode-linux >/dev/null 2>&1 || apt-get -qq update
fetch debootstrap debootstrap
fetch user-mode-linux uml

if [ ! -d root ]; then
	mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' | head -1)
	rm -rf root.new
	DEBOOTSTRAP_DIR=$PWD/debootstrap/usr/share/debootstrap sh debootstrap/usr/sbin/debootstrap \
		--variant=minbase --include="$packages" bookworm root.new "$mirror" >debootstrap.log
	rm -rf root.new/var/cache/apt/archives/*.deb root.new/var/lib/apt/lists/*
	mv root.new root
fi

release=$(ls uml/usr/lib/uml/modules)
mkdir -p root/lib/modules root/mnt/efs root/mnt/code root/mnt/packages
cp -a "uml/usr/lib/uml/modules/$release" root/lib/modules/
chroot root depmod "$release"
install -m 755 "$here/guest-init.sh" root/sbin/lab-init
rm -f root.ext4
mke2fs -q -t ext4 -O ^has_journal -d root root.ext4.new 900M
mv root.ext4.new root.ext4

if [ ! -d packages ]; then
	rm -rf packages.new
	"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes \
		--only-binary=:all: --implementation cp --python-version 3.11 \
		--platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 \
		--target packages.new --requirement "$requirements"
	mv packages.new packages
fi
rm -rf debs debootstrap
touch ready
