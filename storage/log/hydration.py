"""Hydration fetches a copy of a database from a snapshot, block by block, as SQLite asks for pages.

The copy is a sparse file. Beside it is a map that says of each page whether it is there. A copy
without a map is whole.
"""

import errno
import mmap
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from pathlib import Path
from threading import Lock

import apsw

from sqlatch.kernel.errors import DatabaseCorrupt, StorageError
from storage.log import ltx
from storage.log.ltx import Damaged, Header

BLOCK_BYTES = 256 * 1024
AHEAD_BYTES_MAX = 8 * 1024 * 1024
"""A page is fetched with its block; blocks that follow each other double the next up to this."""

RUN_PAGES_MAX = 1_024
"""Pages that are written at once: the system takes no more pieces."""

_MAP_HEADER = struct.Struct("<8sIIQ8x")
_MAP_MAGIC = b"SQLHAVE1"

_numbers = count()

Read = Callable[[int, int], bytes]
"""Return so many bytes at an offset of a snapshot; fewer where it ends."""


class Hydrator:
    """The pages of one copy, and the snapshot that has those which are missing.

    A page that is there is never fetched again, since it may be newer than the snapshot: whatever
    writes to the copy calls `page_written`, `range_written` or `truncated` first. A page that
    cannot be fetched stays missing: errors of `read` and of the local disk are raised as they are,
    Damaged if the snapshot is. Call `close` after the connections are closed: the close of any
    descriptor drops the locks that SQLite has on the file.
    """

    def __init__(self, read: Read, path: Path) -> None:
        self.header = ltx.header_of(read(0, ltx.HEADER.size))
        if not self.header.is_snapshot:
            raise Damaged(f"transactions {self.header.first} to {self.header.last} are no snapshot")
        self._read = read
        self._size = self.header.page_size
        self._block = max(1, BLOCK_BYTES // self._size)
        self._ahead_max = max(1, AHEAD_BYTES_MAX // self._size)
        self._ahead, self._next = 0, 0
        self._first_missing = 1
        self._lock = Lock()
        self._map_path = map_of(path)
        is_new = not path.exists()
        if is_new == self._map_path.exists():
            raise Damaged("a copy without a map is whole, and a map without a copy is of another")
        self._map = _mapped(self._map_path, self.header)
        self._there = memoryview(self._map)[_MAP_HEADER.size :]
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if is_new:
            os.truncate(self.descriptor, self.header.pages * self._size)
        # The size of a database is also read past SQLite, in its first page.
        self.page_wanted(1)

    @property
    def is_whole(self) -> bool:
        self._first_missing = self._missing_from(self._first_missing) or self.header.pages + 1
        return self._first_missing > self.header.pages

    def range_wanted(self, offset: int, length: int) -> None:
        """Fetch what is missing of a range that is about to be read."""
        for page in range(offset // self._size + 1, (offset + length - 1) // self._size + 2):
            self.page_wanted(page)

    def range_written(self, offset: int, length: int) -> None:
        """Note a range that is about to be written; a page that is written in part is fetched."""
        end = offset + length
        for page in range(offset // self._size + 1, (end - 1) // self._size + 2):
            if offset <= (page - 1) * self._size and page * self._size <= end:
                self.page_written(page)
            else:
                self.page_wanted(page)

    def page_wanted(self, page: int) -> None:
        """Fetch a page that is about to be read, if it is missing."""
        if page <= self.header.pages and not self._there[page - 1]:
            with self._lock:
                if not self._there[page - 1]:
                    self._fetch(page)

    def page_written(self, page: int) -> None:
        """Note that a page is about to be written, whole. It is no longer the snapshot's."""
        if page <= self.header.pages and not self._there[page - 1]:
            with self._lock:  # else a fetch could still write the old one, behind the new one
                self._there[page - 1] = 1

    def truncated(self, size_bytes: int) -> None:
        """Note that the copy is about to be cut to this size.

        If it grows again, the pages behind are not those of the snapshot.
        """
        first = size_bytes // self._size
        with self._lock:
            behind = max(0, self.header.pages - first)
            self._there[first:] = b"\1" * behind

    def fetch_more(self) -> bool:
        """Fetch some of what is missing. Return whether anything is still missing."""
        missing = self._missing_from(1)
        if missing:
            self.page_wanted(missing)
        return not self.is_whole

    def finish(self) -> None:
        """Forget the snapshot: the copy is whole, or every page of it is about to be written."""
        with self._lock:
            self._there[:] = b"\1" * self.header.pages
        self._map_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Whoever still asks for a page gets a ValueError, as of any file that is closed."""
        with self._lock:
            self._there.release()
            self._map.close()
            os.close(self.descriptor)

    def _fetch(self, page: int) -> None:
        """Fetch the block of a page; more of them where one follows the other."""
        first = (page - 1) // self._block * self._block + 1
        follows = first == self._next
        self._ahead = min(2 * self._ahead, self._ahead_max) if follows else self._block
        self._next = first + self._ahead
        last = min(self._next - 1, self.header.pages)
        self._bring(self._missing_from(first), self._missing_to(last))

    def _bring(self, first: int, last: int) -> None:
        offset = ltx.offset_of(first, self._size)
        length = ltx.offset_of(last, self._size) + ltx.stride(self._size) - offset
        content = self._read(offset, length)
        if len(content) != length:
            raise Damaged(f"a snapshot that ends before page {last} of {self.header.pages}")
        pages = ltx.literal_pages(content, first, self._size)
        for run_first, run in _runs(page for page in pages if not self._there[page[0] - 1]):
            written = os.pwritev(self.descriptor, run, (run_first - 1) * self._size)
            if written != len(run) * self._size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "the copy of a database")
            self._there[run_first - 1 : run_first - 1 + len(run)] = b"\1" * len(run)

    def _missing_from(self, page: int) -> int:
        """Return the first page from this one on that is missing, or 0."""
        return max(0, self._map.find(b"\0", _MAP_HEADER.size + page - 1) - _MAP_HEADER.size + 1)

    def _missing_to(self, page: int) -> int:
        """Return the last page up to this one that is missing, or 0."""
        end = _MAP_HEADER.size + page
        return max(0, self._map.rfind(b"\0", _MAP_HEADER.size, end) - _MAP_HEADER.size + 1)


class LazyFiles(apsw.VFS):
    """A file system for the connections to a copy that is not whole yet.

    StorageError, where a page cannot be fetched or stored, and DatabaseCorrupt go through SQLite to
    who runs a statement.
    """

    def __init__(self, path: Path, hydrator: Hydrator) -> None:
        self.name = f"lazy-{next(_numbers)}"
        self._path = str(path)
        self._hydrator = hydrator
        self._files = apsw.vfs_names()[0]
        super().__init__(self.name, self._files)

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB and path == self._path:
            return _LazyFile(self._hydrator, self._files, name, flags)
        return apsw.VFSFile(self._files, name, flags)


class _LazyFile(apsw.VFSFile):
    def __init__(
        self,
        hydrator: Hydrator,
        base: str,
        name: str | apsw.URIFilename | None,
        flags: list[int],
    ) -> None:
        self._hydrator = hydrator
        super().__init__(base, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        _in_our_words(self._hydrator.range_wanted, offset, amount)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        _in_our_words(self._hydrator.range_written, offset, len(data))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        _in_our_words(self._hydrator.truncated, newsize)
        super().xTruncate(newsize)


def map_of(path: Path) -> Path:
    """Return the path of the map of a copy."""
    return path.with_name(f"{path.name}-have")


def snapshot_of(path: Path) -> int | None:
    """Return the last transaction of the snapshot that a copy still needs; None if it is whole."""
    try:
        with map_of(path).open("rb") as file:
            return _described(file.read(_MAP_HEADER.size))
    except FileNotFoundError:
        return None


def _mapped(path: Path, header: Header) -> mmap.mmap:
    """Open or create the map of a copy: one byte a page, 1 if it is there."""
    packed = _MAP_HEADER.pack(_MAP_MAGIC, header.page_size, header.pages, header.last)
    length = len(packed) + header.pages
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        is_new = os.fstat(descriptor).st_size == 0
        if is_new:
            # A store into a hole of a map ends the process (SIGBUS) when the disk is full.
            os.posix_fallocate(descriptor, 0, length)
        elif os.fstat(descriptor).st_size != length:
            raise Damaged(f"{path.name}: the map of another snapshot")
        mapped = mmap.mmap(descriptor, length)
    finally:
        os.close(descriptor)
    if is_new:
        lock = ltx.lock_page(header.page_size)
        if lock <= header.pages:
            mapped[len(packed) + lock - 1] = 1
        mapped[: len(packed)] = packed
    elif mapped[: len(packed)] != packed:
        mapped.close()
        raise Damaged(f"{path.name}: the map of another snapshot")
    return mapped


def _in_our_words(call: Callable[..., None], *arguments: int) -> None:
    try:
        call(*arguments)
    except OSError as error:
        raise StorageError(
            f"a page of a database could not be fetched: {error.strerror}", errno=error.errno
        ) from error
    except Damaged as error:
        raise DatabaseCorrupt(f"the snapshot of a database is damaged: {error}") from error
    except ValueError as error:
        raise StorageError("the copy of a database is closed: it was thrown away") from error


def _described(packed: bytes) -> int:
    magic, _page_size, _pages, last = _MAP_HEADER.unpack(packed)
    if magic != _MAP_MAGIC:
        raise Damaged("no map of a copy")
    return int(last)


def _runs(pages: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, list[bytes]]]:
    """Yield the first page and the contents of pages that follow each other."""
    first, run = 0, list[bytes]()
    for page, content in pages:
        if run and (page != first + len(run) or len(run) == RUN_PAGES_MAX):
            yield first, run
            run = []
        first = first if run else page
        run.append(content)
    if run:
        yield first, run
