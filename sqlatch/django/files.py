"""A database file's surroundings as NFS shows them, and SQLite's word on whether it must recover.

The database file itself is opened by SQLite alone: any other close of it would drop the locks that
this process holds on it (POSIX).
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from sqlatch.kernel import nfs

URI = "file:"


@dataclass(frozen=True, slots=True)
class DatabaseFile:
    """The file of a database, and the journal beside it."""

    path: Path
    is_read_only: bool = False

    @property
    def name(self) -> str:
        """The name of its lease, as in the service: the file's name without suffix."""
        return self.path.stem

    @property
    def journal(self) -> Path:
        return nfs.journal_of(self.path)

    def open_directory(self) -> None:
        """Make the NFS client ask the server again what is in the directory."""
        with _storage_errors():
            nfs.open_directory(self.path.parent)

    def is_perhaps_hot(self) -> bool:
        """Open the journal. Return whether it begins as a hot one does.

        SQLite goes by that too, and then checks that its writer is no longer alive.
        """
        return bool(self._open_journal())

    def has_journal(self) -> bool:
        return self._open_journal() is not None

    def is_wal(self) -> bool:
        """Return whether the header says WAL.

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
        """Return whether SQLite would roll the journal back, by a connection that cannot do so."""
        try:
            self._ask("?mode=ro", nfs.READ)
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK
        return False

    def _ask(self, options: str, sql: str) -> None:
        with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}{options}", uri=True)) as it:
            it.execute(sql)

    def _open_journal(self) -> bool | None:
        with _storage_errors():
            return nfs.open_journal(self.journal)


def database_file(name: str | Path) -> DatabaseFile:
    """Return the file that a NAME of Django's settings means: a path, or a URI as SQLite reads it.

    Symbolic links are followed, as SQLite does: the journal lies beside the file itself.
    """
    if not str(name).startswith(URI):
        return DatabaseFile(Path(name).resolve())
    uri = urlsplit(str(name))
    modes = parse_qs(uri.query).get("mode", [])
    return DatabaseFile(Path(unquote(uri.path)).resolve(), is_read_only=modes == ["ro"])


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise sqlite3.OperationalError(
            f"unable to open database file: {error.strerror}: {error.filename}"
        ) from error
