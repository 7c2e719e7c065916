#!/bin/busybox sh
# The first program of a client under qemu: its kernel has the disk's driver as a module.
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
while read -r module; do
	/bin/busybox insmod "$module"
done </modules
until [ -b /dev/vdc ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 -o ro /dev/vda /root
/bin/busybox mount -o move /dev /root/dev
/bin/busybox umount /proc /sys
exec /bin/busybox switch_root /root /sbin/lab-init
