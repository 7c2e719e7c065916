"""One database file: how it is opened, kept open, made live at a commit, and recovered.

Another way to keep a database would be another module like this one.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import DatabaseCorrupt, DatabaseNotFound, StorageError
from storage.connection import Session
from storage.engine import Grant, Table
from storage.inplace.files import Files
from storage.pins import Pins
from storage.translate import Moved, NeedsMemory, RecoveryNeeded

FILE_FAILURES = (StorageError, DatabaseCorrupt, RecoveryNeeded, Moved)
"""Errors after which no connection is kept: the next request opens the file anew."""

IDENTITY_CHECKED_EVERY_S = 1.0
"""How long a warm reader may show a file that was moved away. At a write SQLite itself looks."""

_FIND_TABLE = "SELECT 1 FROM sqlite_schema WHERE lower(name) = ?"


class Store:
    """A connection that cannot write and one that can, on one file, both kept warm.

    What writes asks for a grant. A database gets the `table` with its first write. With `pins`
    time and chance are what they say.
    """

    def __init__(
        self,
        name: str,
        files: Files,
        *,
        table: Table,
        now: Callable[[], float],
        pins: Pins | None = None,
    ) -> None:
        self.name = name
        self._table = table
        self._pins = pins
        self._files = files
        self._now = now
        self._reader: Session | None = None
        self._writer: Session | None = None
        self._identity: tuple[int, int] | None = None
        self._identity_checked_at_s = float("-inf")

    def pinned(self, pins: Pins) -> "Store":
        """The same file on connections of its own, in which time and chance are pinned."""
        return Store(self.name, self._files, table=self._table, now=self._now, pins=pins)

    def exists(self) -> bool:
        """Whether there is such a file.

        An open connection says so; whether it still does is checked once a second.
        """
        now_s = self._now()
        # A clock may be set back. One that only goes forward stands still while Lambda freezes us.
        if abs(now_s - self._identity_checked_at_s) >= IDENTITY_CHECKED_EVERY_S:
            self._identity_checked_at_s = now_s
            self.close_if_moved()
        is_open = self._reader is not None or self._writer is not None
        return is_open or self._files.exists(self.name)

    def reading(self, deadline_s: float) -> Session:
        """The connection that cannot write; RecoveryNeeded if it must not be used, or not yet.

        Without a journal there, it must not: another program may have removed it since, which this
        NFS client would remember when the next writer has made a new one, and was killed.
        """
        if not self._files.has_journal(self.name):
            if not self._files.exists(self.name):
                raise Moved("there is no such file any more")
            raise RecoveryNeeded("there is no journal file")
        if self._reader is None:
            self._reader = self._open_reader(deadline_s)
        self._reader.deadline_s = deadline_s
        return self._reader

    def writing(self, grant: Grant, *, creates: bool = False) -> Session:
        """The connection that writes. Moved if there is no file, unless it `creates` one.

        After the crash of another, before the first use, and where no journal is
        seen, directory and journal are opened, so that SQLite is shown what that one left.
        """
        if self._writer is not None:
            # SQLite checks it too, but only where a page is written: not where a constraint of the
            # old file refuses the write, or a record in it answers for it.
            self.close_if_moved()
        if grant.taken_over or self._writer is None or not self._files.has_journal(self.name):
            self._files.open_directory()
            self._files.open_journal(self.name)
        if self._writer is None:
            self._writer = self._open_writer(grant, creates=creates)
        self._writer.deadline_s = grant.deadline_s
        return self._writer

    def scratch(self, deadline_s: float) -> Session:
        """An empty database in memory, to stand for one that is not there yet."""
        session = Session(
            self.name,
            ":memory:",
            flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_MEMORY,
            now=self._now,
            deadline_s=deadline_s,
            pins=self._pins,
        )
        session.run(self._table.sql)
        return session

    @contextmanager
    def transaction(self, session: Session, grant: Grant) -> Iterator[None]:
        """BEGIN IMMEDIATE before the first read; the grant's check, then COMMIT; else ROLLBACK."""
        session.run("BEGIN IMMEDIATE")
        try:
            session.load_schema()
            yield
            self.commit(session, grant)
        finally:
            if session.connection.in_transaction:
                session.finish("ROLLBACK")

    def commit(self, session: Session, grant: Grant) -> None:
        """Commit, if the grant still holds."""
        grant.check()
        self._commit(session)

    def recover(self, grant: Grant) -> bool:
        """Roll back what a killed writer left, and make sure that there is a journal.

        Returns whether it was hot.
        """
        self.close()
        if not self.exists():
            raise self.not_found()
        self._files.open_directory()
        was_hot = self._files.open_journal(self.name)
        self.writing(grant).load_schema()
        return was_hot

    @contextmanager
    def closed_on_failure(self) -> Iterator[None]:
        """Keep no connection whose file failed under it."""
        try:
            yield
        except FILE_FAILURES:
            self.close()
            raise

    def give_back(self) -> None:
        """Free the pages that both connections keep of the file."""
        for session in (self._reader, self._writer):
            if session is not None:
                session.connection.release_memory()

    def close(self) -> None:
        """Close both connections; what was not committed is rolled back."""
        reader, self._reader = self._reader, None
        writer, self._writer = self._writer, None
        for session in (reader, writer):
            if session is not None:
                session.close()

    def close_if_moved(self) -> None:
        """Close the connections if that name is another file now, or none."""
        if self._files.identity(self.name) != self._identity:
            self.close()

    def not_found(self, why: str = "") -> DatabaseNotFound:
        return DatabaseNotFound(
            f"database {self.name!r} does not exist" + (f" ({why})" if why else ""),
            database=self.name,
        )

    def _open_reader(self, deadline_s: float) -> Session:
        if self._files.is_wal(self.name):
            raise RecoveryNeeded("the database is in WAL mode")
        return self._open(apsw.SQLITE_OPEN_READONLY, deadline_s)

    def _open_writer(self, grant: Grant, *, creates: bool) -> Session:
        if not creates and not self._files.exists(self.name):
            raise Moved("there is no such file any more")
        flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if creates else 0)
        session = self._open(flags, grant.deadline_s, keeps_journal=True)
        try:
            self._prepare(session, grant)
        except BaseException:
            session.close()
            raise
        return session

    def _open(self, flags: int, deadline_s: float, *, keeps_journal: bool = False) -> Session:
        # Before it is opened: a file that takes its place meanwhile is noticed at the next check.
        self.close_if_moved()
        identity = self._files.identity(self.name)
        session = Session(
            self.name,
            self._files.path(self.name),
            flags=flags | apsw.SQLITE_OPEN_NOFOLLOW,
            now=self._now,
            deadline_s=deadline_s,
            keeps_journal=keeps_journal,
            pins=self._pins,
        )
        try:
            self._identity = identity or self._files.identity(self.name)
        except BaseException:
            session.close()
            raise
        return session

    def _prepare(self, session: Session, grant: Grant) -> None:
        """Give the file its journal and the table if it lacks one."""
        if session.connection.readonly("main"):
            raise StorageError(f"database {self.name!r}: the file cannot be written")
        # This read rolls a hot journal back, and ends the exclusive locking.
        has_table = session.run(_FIND_TABLE, self._table.name)
        has_journal = self._files.has_journal(self.name)
        is_still_hot = self._files.open_journal(self.name)
        if has_table and has_journal and not is_still_hot:
            return
        with self.transaction(session, grant):
            session.run(self._table.sql)
            nfs.dirty(session.run)

    def _commit(self, session: Session) -> None:
        try:
            session.finish("COMMIT")
        except (StorageError, Moved, NeedsMemory) as error:
            facts = error.facts if isinstance(error, StorageError) else {}
            raise StorageError(
                f"{error}: the commit failed, so whether it is in the file is not known;"
                " the same request with the same idempotency_key is safe",
                **{**facts, "outcome": "unknown"},
            ) from error
