#!/bin/sh
# pid 1 of a client. Its command line: lab.address=A.B.C.D lab.code=PATH lab.packages=PATH
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
	lab.name=*) hostname "${word#*=}" ;;
	esac
done
ip link set lo up
ip address add "$address/24" dev vec0
ip link set vec0 up
# The host's own files, so that neither code nor packages are in the disk image.
mount -t hostfs -o ro,"$code" none /mnt/code
mount -t hostfs -o ro,"$packages" none /mnt/packages
cd /mnt/code || exit 1
export PYTHONPATH=/mnt/code:/mnt/packages PYTHONDONTWRITEBYTECODE=1
exec python3 -m tests.nfs.guest
