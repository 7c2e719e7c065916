"""Catch the pages of a transaction on their way to the private copy. What ships them is the commit.

In a COMMIT of rollback mode SQLite writes and syncs the journal, writes the pages, and then syncs
the database file: by then all is known, and an error there makes it roll back from its journal. So
the record is appended to the log inside that sync, and nowhere else.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from sqlatch.kernel.errors import StorageError
from storage.log.ltx import Header, encode, lock_page
from storage.log.reading import read_at

HEADER_BYTES = 100
PAGE_SIZE_1 = 65536
"""The page size that the header writes as 1."""

_numbers = count()


class Phase(Enum):
    """The phase of a transaction. REFUSED and SHIPPED last until SQLite lets its lock go: it syncs
    once more at the end of a rollback, and what it then has written was never meant to be shipped.
    """

    OPEN = auto()
    COMMITTING = auto()
    SHIPPED = auto()
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a database: bytes of a page, and pages. Both 0 for an empty file."""

    page_size: int
    pages: int


@dataclass(frozen=True, slots=True)
class Changes:
    """The pages of a transaction, ascending, and the size of the database after it.

    `is_whole`: it made every page anew, as a VACUUM does that changes the page size.
    """

    size: Size
    pages: list[tuple[int, bytes]]
    is_whole: bool

    def record(self, txid: int, *, at_ms: int) -> bytes:
        """Return the content of the record of that number."""
        first = 1 if self.is_whole else txid
        header = Header(self.size.page_size, self.size.pages, first, txid, at_ms)
        return b"".join(encode(header, self.pages))


Ship = Callable[[Changes], None]
"""Put the changes where they are durable; raises if they are not there."""


def size_of(descriptor: int) -> Size:
    """Return the size that page 1 says.

    While a COMMIT syncs it is exact, and the length of the file is not: SQLite cuts it afterwards.
    """
    try:
        return size_in(read_at(descriptor, HEADER_BYTES, 0))
    except OSError as error:
        raise StorageError(
            f"the copy of a database cannot be read: {error.strerror}", errno=error.errno
        ) from error


def size_in(header: bytes) -> Size:
    """The same of the first bytes of a database."""
    if len(header) < HEADER_BYTES:
        return Size(0, 0)
    page_size = int.from_bytes(header[16:18], "big")
    pages = int.from_bytes(header[28:32], "big")
    return Size(PAGE_SIZE_1 if page_size == 1 else page_size, pages)


class Capture(apsw.VFS):
    """A file system for the one connection that writes to a copy.

    `descriptor` is open on the copy and outlives the connection, since a close drops the locks of
    its process. Syncs reach no disk: the copy is a cache, the log is the truth. The time is that of
    the file system `base`; the files are on that called `files`.
    """

    def __init__(
        self,
        path: Path,
        descriptor: int,
        *,
        base: str | None = None,
        files: str | None = None,
    ) -> None:
        self.name = f"captured-{next(_numbers)}"
        self._path = str(path)
        self._descriptor = descriptor
        self._files = files or apsw.vfs_names()[0]
        self._phase = Phase.OPEN
        self._written: set[tuple[int, int]] = set()
        self._before = Size(0, 0)
        self._ship: Ship | None = None
        self.failure: BaseException | None = None
        super().__init__(self.name, base or self._files)

    @contextmanager
    def committing(self, ship: Ship) -> Iterator[None]:
        """Let the COMMIT inside ship its pages: any other is an error."""
        self._before = size_of(self._descriptor)
        self._ship, self._phase, self.failure = ship, Phase.COMMITTING, None
        try:
            yield
        finally:
            self._ship, self._phase = None, Phase.OPEN

    @property
    def has_shipped(self) -> bool:
        """True inside `committing` when the pages are durable, whatever SQLite says after that."""
        return self._phase is Phase.SHIPPED

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        is_ours = bool(flags[0] & apsw.SQLITE_OPEN_MAIN_DB) and _path_of(name) == self._path
        return (_Main if is_ours else _Beside)(self, self._files, name, flags)

    def excepthook(self, *_error: Any) -> bool:
        return True

    def note(self, offset: int, length: int) -> None:
        """Note what is written to the database file."""
        self._written.add((offset, length))

    def fail(self, error: BaseException) -> None:
        """An error of the local disk in a COMMIT: SQLite rolls back, and then syncs that."""
        if self._phase is Phase.COMMITTING:
            self._phase, self.failure = Phase.REFUSED, error

    def sync(self) -> None:
        """Ship what was written; an error makes SQLite roll back."""
        if self._phase in {Phase.SHIPPED, Phase.REFUSED} or not self._written:
            return
        if self._ship is None:
            self._phase = Phase.REFUSED
            raise apsw.IOError("a commit past the log")
        try:
            self._ship(self._changes())
        except BaseException as error:
            self._phase, self.failure = Phase.REFUSED, error
            raise apsw.IOError("the log did not take the transaction") from error
        self._phase = Phase.SHIPPED

    def end(self) -> None:
        """The transaction is over: SQLite gives its lock back."""
        self._written.clear()
        if self._ship is None:
            self._phase = Phase.OPEN

    def _changes(self) -> Changes:
        size = size_of(self._descriptor)
        is_whole = size.page_size != self._before.page_size
        if is_whole:
            numbers = set(range(1, size.pages + 1))
        else:
            # A new page that is free again SQLite does not write.
            numbers = set(range(self._before.pages + 1, size.pages + 1))
            for offset, length in self._written:
                first = offset // size.page_size + 1
                numbers.update(range(first, (offset + length - 1) // size.page_size + 2))
        numbers.discard(lock_page(size.page_size))
        return Changes(
            size,
            [
                (number, self._page(number, size.page_size))
                for number in sorted(numbers)
                if number <= size.pages
            ],
            is_whole,
        )

    def _page(self, number: int, page_size: int) -> bytes:
        content = read_at(self._descriptor, page_size, (number - 1) * page_size)
        return content.ljust(page_size, b"\0")


class _File(apsw.VFSFile):
    """A file of the connection. Its errors are SQLite's to report, and it does."""

    def __init__(
        self,
        capture: Capture,
        base: str,
        name: str | apsw.URIFilename | None,
        flags: list[int],
    ) -> None:
        self._capture = capture
        super().__init__(base, name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        try:
            return super().xRead(amount, offset)
        except BaseException as error:
            self._capture.fail(error)
            raise

    def xWrite(self, data: bytes, offset: int) -> None:
        try:
            super().xWrite(data, offset)
        except BaseException as error:
            self._capture.fail(error)
            raise

    def xTruncate(self, newsize: int) -> None:
        try:
            super().xTruncate(newsize)
        except BaseException as error:
            self._capture.fail(error)
            raise

    def xSync(self, flags: int) -> None:
        pass

    def excepthook(self, *_error: Any) -> bool:
        return True


class _Main(_File):
    """The copy itself."""

    def xWrite(self, data: bytes, offset: int) -> None:
        self._capture.note(offset, len(data))
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        self._capture.sync()

    def xUnlock(self, level: int) -> None:
        if level <= apsw.SQLITE_LOCK_SHARED:
            self._capture.end()
        super().xUnlock(level)


class _Beside(_File):
    """Its journal, and temporary files."""


def _path_of(name: str | apsw.URIFilename | None) -> str | None:
    return name.filename() if isinstance(name, apsw.URIFilename) else name
