"""The ways to keep databases, as the campaigns take them: by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handler.settings import Settings
from tests.faults import disk, log_images
from tests.faults.disk import Disk, Image
from tests.faults.log_disk import LogDisk
from tests.faults.vfs import CrashingVFS, running_on


@dataclass(frozen=True, slots=True)
class Kept:
    """One way: its settings, what its directory holds, and how it runs on a disk that crashes.

    `is_torn`: a crash left something half done, which the next who comes has to undo or to finish.
    """

    name: str
    settings: Callable[[Path], Settings]
    image_of: Callable[[Path], Image]
    put_image: Callable[[Path, Image], None]
    is_torn: Callable[[Image], bool]
    disk: Callable[..., Any]
    running: Callable[[Any, float], AbstractContextManager[CrashingVFS]]


def _of_files(directory: Path) -> Settings:
    return Settings(databases=directory, leases="sqlite:unused")


def _of_a_log(directory: Path) -> Settings:
    log = f"directory:{directory / log_images.SHARED}"
    return Settings(log=log, copies=directory / log_images.COPIES, leases="sqlite:unused")


IN_PLACE = Kept(
    "inplace",
    _of_files,
    disk.image_of,
    disk.put_image,
    disk.is_torn,
    Disk,
    lambda disk, _seed: running_on(disk),
)
IN_A_LOG = Kept(
    "log",
    _of_a_log,
    log_images.image_of,
    log_images.put_image,
    log_images.is_torn,
    LogDisk,
    lambda disk, seed: disk.running(seed),
)
