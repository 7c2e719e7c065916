"""SQLite's file system for a machine that crashes: the ordinary one, each change told to a disk."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Protocol

import apsw

from tests.faults.disk import Change, Crash, Create, Delete, Truncate, Write

Hook = Callable[[Any], Any]

NAME = "crashing"
BASE = "unix"


class Disk(Protocol):
    """What is told of each change before it happens, and of each sync."""

    directory: Path

    def tracked(self, path: Path) -> str | None:
        """Return the name of a file; None for those that no crash leaves behind."""

    def change(self, name: str, change: Change) -> None: ...

    def sync(self, name: str) -> None: ...

    def sync_directory(self) -> None: ...


JOURNALS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_SUPER_JOURNAL | apsw.SQLITE_OPEN_WAL


@contextmanager
def running_on(disk: Disk) -> Iterator["CrashingVFS"]:
    """Have every connection that is opened in the block stand on this disk."""
    vfs = CrashingVFS(disk)
    apsw.set_default_vfs(NAME)
    passed_on, sys.unraisablehook = sys.unraisablehook, _unless_a_crash(sys.unraisablehook)
    try:
        yield vfs
    finally:
        sys.unraisablehook = passed_on
        apsw.set_default_vfs(BASE)
        vfs.unregister()


class CrashingVFS(apsw.VFS):
    """Passes all to the ordinary VFS but the syncs: what the disk has noted is what lasts."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.open_files = 0
        super().__init__(NAME, BASE)

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "CrashingFile":
        tracked = self._tracked(name)
        if tracked and flags[0] & apsw.SQLITE_OPEN_CREATE and not self._is_there(tracked):
            self.disk.change(tracked, Create())
        return CrashingFile(self, tracked, name, flags)

    def xDelete(self, name: str, sync_directory: bool) -> None:  # noqa: FBT001 (SQLite's order)
        tracked = self._tracked(name)
        if tracked:
            self.disk.change(tracked, Delete())
        super().xDelete(name, sync_directory)
        if tracked and sync_directory:
            self.disk.sync(tracked)

    def xRandomness(self, count: int) -> bytes:
        """The same for each process, so that a run can be repeated to the byte."""
        return Random(0).randbytes(count)

    def _tracked(self, name: "str | apsw.URIFilename | None") -> str | None:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        return self.disk.tracked(Path(text)) if text else None

    def _is_there(self, name: str) -> bool:
        return (self.disk.directory / name).exists()


class OrdinaryFile(apsw.VFSFile):
    """A file of the ordinary VFS, by way of Python."""

    def __init__(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> None:
        super().__init__(BASE, name, flags)

    def xLock(self, level: int) -> None:
        """A reader tries for a lock that its file cannot have, and SQLite does not mind.

        Of all errors of a lock, apsw forgets only this one; the others come up at the end.
        """
        try:
            super().xLock(level)
        except apsw.IOError as error:
            raise apsw.BusyError from error


class CrashingFile(OrdinaryFile):
    """An open file; `tracked` is its name if it is in the disk's directory."""

    def __init__(
        self,
        vfs: CrashingVFS,
        tracked: str | None,
        name: "str | apsw.URIFilename | None",
        flags: list[int],
    ) -> None:
        self._vfs = vfs
        self._tracked = tracked
        self._syncs_directory = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & JOURNALS)
        super().__init__(name, flags)
        vfs.open_files += 1

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._tracked:
            self._vfs.disk.change(self._tracked, Write(offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, size: int) -> None:
        if self._tracked:
            self._vfs.disk.change(self._tracked, Truncate(size))
        super().xTruncate(size)

    def xSync(self, flags: int) -> None:
        """With the first sync of a journal goes one of the directory, as in the ordinary VFS."""
        del flags
        if not self._tracked:
            return
        self._vfs.disk.sync(self._tracked)
        if self._syncs_directory:
            self._vfs.disk.sync_directory()
            self._syncs_directory = False

    def xClose(self) -> None:
        self._vfs.open_files -= 1
        super().xClose()


def _unless_a_crash(passed_on: Hook) -> Hook:
    """Where SQLite has nobody to tell of an error (a close), the crash is not worth a word."""

    def hook(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Crash):
            passed_on(unraisable)

    return hook
