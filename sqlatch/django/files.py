"""A database file's surroundings as NFS shows them, and SQLite's word on whether it must recover.

The database file itself is opened by SQLite alone: any other close of it would drop the locks that
this process holds on it (POSIX).
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

URI = "file:"


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The file of a database, and the journal beside it."""

    path: Path
    is_read_only: bool = False

    @property
    def name(self) -> str:
        """What its lease is called, as the service calls it: the file's name without suffix."""
        return self.path.stem

    @property
    def journal(self) -> Path:
        return self.path.with_name(f"{self.path.name}-journal")

    def open_directory(self) -> None:
        """Make the NFS client ask the server again what is in the directory."""
        with _storage_errors():
            os.close(os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY))

    def is_perhaps_hot(self) -> bool:
        """Whether the journal begins as a hot one does; opening it, NFS asks the server.

        SQLite goes by the first byte too, and then looks whether its writer is alive.
        """
        return (self._first_byte() or b"\0") != b"\0"

    def has_journal(self) -> bool:
        return self._first_byte() is not None

    def is_wal(self) -> bool:
        """Whether the header says WAL, which two NFS clients cannot share.

        SQLite itself reads it: without locks, and so it cannot open a file in that mode.
        """
        try:
            # It would delete the journal of an empty file.
            if self.path.stat().st_size == 0:
                return False
        except FileNotFoundError:
            return False
        try:
            self._ask("?mode=ro&nolock=1", "PRAGMA user_version")
        except sqlite3.DatabaseError as error:
            return error.sqlite_errorcode == sqlite3.SQLITE_CANTOPEN
        return False

    def is_hot(self) -> bool:
        """Whether SQLite would roll the journal back: asked through a connection that cannot."""
        try:
            self._ask("?mode=ro", "SELECT 1 FROM sqlite_schema LIMIT 1")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK
        return False

    def _ask(self, options: str, sql: str) -> None:
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}{options}", uri=True)) as it:
            it.execute(sql)

    def _first_byte(self) -> bytes | None:
        with _storage_errors():
            try:
                descriptor = os.open(self.journal, os.O_RDONLY | os.O_NONBLOCK)
            except FileNotFoundError:
                return None
            try:
                return os.read(descriptor, 1)
            finally:
                os.close(descriptor)


def database_file(name: str | Path) -> DatabaseFile:
    """The file that a NAME of Django's settings means: a path, or a URI as SQLite reads it."""
    if not str(name).startswith(URI):
        return DatabaseFile(Path(name))
    uri = urlsplit(str(name))
    modes = parse_qs(uri.query).get("mode", [])
    return DatabaseFile(Path(unquote(uri.path)), is_read_only=modes == ["ro"])


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise sqlite3.OperationalError(
            f"unable to open database file: {error.strerror}: {error.filename}"
        ) from error
