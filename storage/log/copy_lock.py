"""The lock of a private copy, held by a connection of its own: readers of this process know it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw

from sqlatch.kernel.errors import DatabaseBusy
from storage import copies

POLL_S = 0.005


class CopyLock:
    """Closed until a connection is opened on the copy: until then nobody is to be kept out."""

    def __init__(self, database: str, now: Callable[[], float]) -> None:
        self._database = database
        self._now = now
        self._connection: apsw.Connection | None = None

    def open(self, path: Path, vfs: str | None) -> None:
        if self._connection is None:
            flags = apsw.SQLITE_OPEN_READWRITE
            with copies.translated(self._database):
                self._connection = apsw.Connection(str(path), flags=flags, vfs=vfs)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close(force=True)

    @contextmanager
    def held(self, deadline_s: float) -> Iterator[None]:
        """Wait for the readers of this process, and keep them out; DatabaseBusy at the deadline."""
        connection = self._connection
        if connection is None:
            yield
            return
        self._take(connection, deadline_s)
        try:
            yield
        finally:
            with suppress(apsw.Error):
                connection.execute("ROLLBACK")
            # What was put into the file may look on its first page like what was there.
            connection.release_memory()

    def _take(self, connection: apsw.Connection, deadline_s: float) -> None:
        while True:
            try:
                with copies.translated(self._database):
                    connection.execute("BEGIN EXCLUSIVE")
                    return
            except DatabaseBusy as error:
                if self._now() >= deadline_s:
                    raise DatabaseBusy(
                        f"database {self._database!r}: a reader keeps an earlier state open"
                    ) from error
                time.sleep(POLL_S)
