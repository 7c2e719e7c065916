"""The machine of a client: user-mode Linux, or qemu without KVM, which boots where that panics."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MEMORY_MB = 384
ROOMS = ("events", "handler", "hrana", "locking", "sqlatch", "sqlexec", "storage", "tests")
CODE_MB = 64

Command = list[str | Path]


@dataclass(frozen=True, slots=True)
class Boot:
    """The files that a client is booted from: the lab's, the code under test, a place for logs."""

    lab: Path
    code: Path
    run: Path


class Machine(Protocol):
    """A way to run a Linux kernel without rights over the host's processor."""

    name: str
    boots_within_s: float

    def prepare(self, boot: Boot) -> None:
        """Make what all machines of a run share."""

    def command(self, boot: Boot, *, name: str, address: str, tap: str) -> Command:
        """Return the program that is the machine `name`."""

    def environment(self, boot: Boot) -> Mapping[str, str]:
        """Return the variables of that program."""


class UserModeLinux:
    """A kernel that is a program like any other: half the latency of qemu, and twice its speed.

    It keeps the floating-point state of its processes in a buffer of a fixed size, and panics on a
    processor whose state is larger.
    """

    name = "user-mode Linux"
    boots_within_s = 60.0

    def prepare(self, boot: Boot) -> None:
        """Nothing: the machines read the host's files."""

    def command(self, boot: Boot, *, name: str, address: str, tap: str) -> Command:
        return [
            boot.lab / "uml/usr/bin/linux.uml",
            f"mem={MEMORY_MB}M",
            *(f"ubd0r={boot.lab}/root.ext4", "root=/dev/ubda", "ro", "init=/sbin/lab-init"),
            *("quiet", "panic=-1", "con=null", "con0=null,fd:1"),
            *(f"umid={name}", f"uml_dir={boot.run}/"),
            f"vec0:transport=tap,ifname={tap},depth=64,gro=1",
            *(f"lab.name={name}", f"lab.address={address}", "lab.device=vec0"),
            *(f"lab.code={boot.code}", f"lab.packages={boot.lab}/packages"),
        ]

    def environment(self, boot: Boot) -> Mapping[str, str]:
        return {**os.environ, "TMPDIR": "/dev/shm"}


class Qemu:
    """An emulated processor: it needs nothing of the host's, and takes its time."""

    name = "qemu"
    boots_within_s = 240.0

    def prepare(self, boot: Boot) -> None:
        """Put the code under test on a disk, since these machines see no file of the host."""
        code = boot.run / "code"
        for room in ROOMS:
            shutil.copytree(boot.code / room, code / room, ignore=shutil.ignore_patterns("__py*"))
        subprocess.run(
            ["mke2fs", "-q", "-t", "ext4", "-d", code, boot.run / "code.ext4", f"{CODE_MB}M"],
            check=True,
        )

    def command(self, boot: Boot, *, name: str, address: str, tap: str) -> Command:
        root = boot.lab / "qemu"
        libraries = root / "usr/lib/x86_64-linux-gnu"
        disks = (boot.lab / "root.ext4", boot.run / "code.ext4", boot.lab / "packages.ext4")
        kernel = (
            "console=ttyS0 quiet panic=-1 nokaslr mitigations=off tsc=reliable net.ifnames=0"
            f" lab.name={name} lab.address={address} lab.device=eth0"
            " lab.code=/dev/vdb lab.packages=/dev/vdc"
        )
        return [
            # With its root's own loader and libraries, so that it runs whatever the machine's are.
            libraries / "ld-linux-x86-64.so.2",
            *("--library-path", f"{libraries}:{libraries}/pulseaudio"),
            root / "usr/bin/qemu-system-x86_64",
            *("-L", root / "usr/share/qemu", "-L", root / "usr/share/seabios"),
            *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"),
            *("-M", "q35", "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", str(MEMORY_MB)),
            *("-no-reboot", "-kernel", boot.lab / "vmlinuz", "-initrd", boot.lab / "initrd.gz"),
            *("-append", kernel),
            *(
                option
                for number, disk in enumerate(disks)
                for option in (
                    *("-drive", f"file={disk},if=none,id=d{number},format=raw,readonly=on"),
                    *("-device", f"virtio-blk-pci,drive=d{number}"),
                )
            ),
            *("-netdev", f"tap,id=net,ifname={tap},script=no,downscript=no"),
            *("-device", f"virtio-net-pci,netdev=net,mac={_mac(address)},romfile="),
        ]

    def environment(self, boot: Boot) -> Mapping[str, str]:
        modules = boot.lab / "qemu/usr/lib/x86_64-linux-gnu/qemu"
        return {**os.environ, "QEMU_MODULE_DIR": str(modules)}


MACHINES: dict[str, type[Machine]] = {"uml": UserModeLinux, "qemu": Qemu}
"""By the names of `build.sh` and SQLATCH_NFS_MACHINE; the first that boots is taken."""


def _mac(address: str) -> str:
    return f"52:54:00:77:00:{int(address.rpartition('.')[2]):02x}"
