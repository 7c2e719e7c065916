"""The file of a private copy: all there, or fetched from a snapshot as its pages are asked for."""

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from sqlatch.kernel.errors import StorageError
from storage.log.archive import LtxFile
from storage.log.capture import Capture
from storage.log.hydration import Hydrator, LazyFiles, Read, map_of, snapshot_of
from storage.log.ltx import Damaged, Header, scan
from storage.work import Work

if TYPE_CHECKING:
    from storage.log.reading import Ranges

LAZY_BYTES_MIN = 16 * 1024 * 1024
"""A smaller snapshot is written out at once: that takes less than a tenth of a second, and a copy
that is whole is read faster."""


class CopyFile:
    """The file at `path`, and its journal. OSError and Damaged are raised as they are.

    `descriptor` is open as long as a connection is: POSIX drops all locks of a process on a file
    when any descriptor of it is closed. -1: it is closed.
    """

    def __init__(self, path: Path, work: Work | None = None) -> None:
        self.path = path
        self._work = work or Work()
        self._journal = path.with_name(f"{path.name}-journal")
        self.descriptor = -1
        self._snapshot: Ranges | None = None
        self._hydrator: Hydrator | None = None
        self._files: LazyFiles | None = None
        self._is_told_whole = False

    @property
    def vfs(self) -> str | None:
        """The file system that connections are opened on; None is SQLite's own."""
        return None if self._files is None else self._files.name

    @property
    def snapshot(self) -> int | None:
        """The last transaction of the snapshot that the file still needs, None if it is whole."""
        return snapshot_of(self.path)

    @property
    def has_pages(self) -> bool:
        """Return False for the file of a database that does not exist, or is deleted."""
        return os.fstat(self.descriptor).st_size > 0

    def open(self) -> None:
        """Open a file that is whole, or make an empty one."""
        if self.descriptor < 0:
            self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)

    def open_on(self, snapshot: LtxFile) -> None:
        """Open a file that needs a snapshot, or make one of it. A small one is written out."""
        is_small = snapshot.size_bytes < LAZY_BYTES_MIN or snapshot.holds_nothing
        if not self.path.exists() and is_small:
            self.open()
            self.apply(snapshot)
            return
        self._is_told_whole = False
        self._snapshot = snapshot.ranges()
        read = partial(_counted, self._work, self._snapshot.read)
        self._hydrator = Hydrator(read, self.path)
        if self._hydrator.is_whole:
            self._hydrator.finish()
            self.close()
            self.open()
            return
        self.descriptor = self._hydrator.descriptor
        self._files = LazyFiles(self.path, self._hydrator)

    def has_become_whole(self) -> bool:
        """Return True once, when the last page was fetched: opened again, it is a plain file."""
        if self._hydrator is None or self._is_told_whole or not self._hydrator.is_whole:
            return False
        self._is_told_whole = True
        return True

    def capture(self, base: str | None) -> Capture:
        """Return a file system for a connection that writes, with the time of the one named."""
        return Capture(self.path, self.descriptor, base=base, files=self.vfs)

    def open_again(self, snapshots: Callable[[], Iterable[LtxFile]]) -> None:
        """Open the file, whether it is whole or needs one of the snapshots; Damaged."""
        snapshot = needed(self, snapshots)
        if snapshot is None:
            self.open()
        else:
            self.open_on(snapshot)

    def apply(self, file: LtxFile) -> Header:
        """Write the pages of a file that follows what is there, or of a small snapshot."""
        with self._work.hydrating(file.size_bytes), file.open() as stream:
            header, pages = scan(stream)
            self.write(header, pages)
        return header

    def write(self, header: Header, pages: Iterable[tuple[int, bytes]]) -> None:
        """Write the pages of a record, and give the file the size that it has after it."""
        hydrator = self._hydrator
        if hydrator is not None and header.page_size != hydrator.header.page_size:
            # Every page is about to be written, in another size than the map counts in.
            hydrator.finish()
            hydrator = None
        for number, content in pages:
            if hydrator is not None:
                hydrator.page_written(number)
            _write_page(self.descriptor, content, (number - 1) * header.page_size)
        size_bytes = header.pages * header.page_size
        if hydrator is not None:
            hydrator.truncated(size_bytes)
        os.ftruncate(self.descriptor, size_bytes)

    def roll_back(self) -> None:
        """Have SQLite undo a commit that was left half done, by a process that was killed or by a
        failure of the disk; apsw.Error.
        """
        if self._journal.exists():
            with closing(apsw.Connection(str(self.path), vfs=self.vfs)) as connection:
                connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()

    def remove(self) -> None:
        """Close the file and remove it, with all that lies beside it."""
        self.close()
        for path in (
            self.path,
            self._journal,
            map_of(self.path),
        ):
            path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close every descriptor. The connections are closed, or are of a file that is gone."""
        descriptor, self.descriptor = self.descriptor, -1
        if self._files is not None:
            self._files.unregister()
        if self._hydrator is not None:
            self._hydrator.close()
        elif descriptor >= 0:
            os.close(descriptor)
        if self._snapshot is not None:
            self._snapshot.close()
        self._files = self._hydrator = self._snapshot = None


def _write_page(descriptor: int, content: bytes, offset: int) -> None:
    """OSError if not all of it was written: a disk that has room for a part says so by that."""
    if os.pwrite(descriptor, content, offset) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "the copy of a database")


def _counted(work: Work, read: Read, offset: int, length: int) -> bytes:
    with work.hydrating(length):
        return read(offset, length)


@contextmanager
def told(database: str) -> Iterator[None]:
    """Raise the errors of the local disk as those of a request."""
    try:
        yield
    except OSError as error:
        raise as_told(error, database) from error


def as_told(error: OSError, database: str) -> StorageError:
    where = "" if error.filename is None else f": {error.filename}"
    return StorageError(
        f"the copy of database {database!r}: {error.strerror}{where}", errno=error.errno
    )


def needed(file: CopyFile, snapshots: Callable[[], Iterable[LtxFile]]) -> LtxFile | None:
    """Return the snapshot that a file needs; None if it is whole. Damaged if that is gone."""
    last = file.snapshot
    if last is None:
        return None
    for snapshot in snapshots():
        if snapshot.last == last:
            return snapshot
    raise Damaged("the snapshot that a copy is fetched from is gone")
