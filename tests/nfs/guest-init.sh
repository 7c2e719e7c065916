#!/bin/sh
# pid 1 of a client. Its command line: lab.name lab.address lab.device lab.code lab.packages
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
for word in $(cat /proc/cmdline); do
	case $word in
	lab.address=*) address=${word#*=} ;;
	lab.code=*) code=${word#*=} ;;
	lab.packages=*) packages=${word#*=} ;;
	lab.device=*) device=${word#*=} ;;
	lab.name=*) hostname "${word#*=}" ;;
	esac
done
ip link set lo up
modprobe -q virtio_net
ip address add "$address/24" dev "$device"
ip link set "$device" up
# A directory of the host, where a machine can see it, or a disk: code and packages are not in the
# root's image.
attach() {
	if [ -b "$1" ]; then mount -t ext4 -o ro "$1" "$2"; else mount -t hostfs -o ro,"$1" none "$2"; fi
}
attach "$code" /mnt/code
attach "$packages" /mnt/packages
cd /mnt/code || exit 1
export PYTHONPATH=/mnt/code:/mnt/packages PYTHONDONTWRITEBYTECODE=1
exec python3 -m tests.nfs.guest
