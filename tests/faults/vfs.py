"""SQLite's file system for a machine that crashes: the ordinary one, each change told to a disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import apsw

from tests.faults.disk import Crash, Create, Delete, Disk, Truncate, Write

NAME = "crashing"
BASE = "unix"


@contextmanager
def running_on(disk: Disk) -> Iterator["CrashingVFS"]:
    """Have every connection that is opened in the block stand on this disk."""
    vfs = CrashingVFS(disk)
    apsw.set_default_vfs(NAME)
    try:
        yield vfs
    finally:
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

    def excepthook(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Where SQLite ignores an error (a close), the crash is not worth a word."""
        _unless_crashed(error)

    def _tracked(self, name: "str | apsw.URIFilename | None") -> str | None:
        """The name of a file of the directory; None for those that no crash leaves behind."""
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        path = Path(text) if text else None
        return path.name if path and path.parent == self.disk.directory else None

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
        del flags
        if self._tracked:
            self._vfs.disk.sync(self._tracked)

    def xClose(self) -> None:
        self._vfs.open_files -= 1
        super().xClose()

    def excepthook(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        _unless_crashed(error)


def _unless_crashed(error: BaseException) -> None:
    if not isinstance(error, Crash):
        raise error
