"""The memory, the open files and the input of this process, from /proc."""

from pathlib import Path

STATUS = Path("/proc/self/status")
DESCRIPTORS = Path("/proc/self/fd")
CLEAR = Path("/proc/self/clear_refs")
RESET_PEAK = "5"
INPUT = Path("/proc/self/io")


def resident_bytes() -> int:
    """The memory that is in use now."""
    return _status_bytes("VmRSS:")


def peak_bytes() -> int:
    """The most that was in use since `reset_peak`."""
    return _status_bytes("VmHWM:")


def reset_peak() -> None:
    """Have the peak start at what is in use now."""
    CLEAR.write_text(RESET_PEAK)


def read_bytes() -> int:
    """The bytes that were read so far, from whatever file."""
    return int(INPUT.read_text().split(maxsplit=2)[1])


def open_files() -> int:
    """File descriptors, but for the one that looks."""
    return sum(1 for _entry in DESCRIPTORS.iterdir()) - 1


def _status_bytes(name: str) -> int:
    for line in STATUS.read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise LookupError(f"{STATUS} has no {name}")
