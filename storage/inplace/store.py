"""One database file: how it is opened, kept open, made live at a commit, and recovered."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import StorageError
from storage.connection import Session
from storage.engine import NEWEST, Begun, Freshness, Grant, Position, Table, closed_on_failure
from storage.header import counts_commits, header_digest
from storage.inplace import copies, removal
from storage.inplace.files import Files
from storage.pins import Pins
from storage.translate import DatabaseReplaced, NeedsMemory, RecoveryNeeded, WriteRefused
from storage.version import Version

IDENTITY_CHECKED_EVERY_S = 1.0
"""How long a warm reader may show a file that was moved away. At a write SQLite itself looks."""

COMMITS_A_GRANT = 4096
"""Positions that there are for one fence. A grant commits once, or twice: the first makes the
journal."""

_FIND_TABLE = "SELECT 1 FROM sqlite_schema WHERE lower(name) = ?"


class Store:
    """A connection that cannot write and one that can, on one file, both kept warm.

    A database gets the `table` with its first write. Time and chance are what `pins` say.
    """

    max_age_s = 0.0

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
        self._journal = str(files.journal(name))
        self._now = now
        self._reader: Session | None = None
        self._writer: Session | None = None
        self._identity: tuple[int, int] | None = None
        self._identity_checked_at_s = float("-inf")
        self._position = 0

    @property
    def position(self) -> Position | None:
        """None: SQLite keeps none, and a read would have to ask the lease table for the fence."""
        return None

    def pinned(self, pins: Pins) -> "Store":
        """The same file on connections of its own, in which time and chance are pinned."""
        return Store(self.name, self._files, table=self._table, now=self._now, pins=pins)

    def exists(self, *, at_once: bool = False) -> bool:
        """Return whether there is such a file.

        An open connection says so; whether it still does is checked once a second, or `at_once`.
        """
        now_s = self._now()
        # A clock may be set back. One that only goes forward stands still while Lambda freezes us.
        if at_once or abs(now_s - self._identity_checked_at_s) >= IDENTITY_CHECKED_EVERY_S:
            self._identity_checked_at_s = now_s
            self.close_if_moved()
        is_open = self._reader is not None or self._writer is not None
        return is_open or self._files.exists(self.name)

    def snapshot(self, deadline_s: float, _freshness: Freshness = NEWEST) -> Session:
        """Return the connection that cannot write; RecoveryNeeded if it must not be used yet.

        It sees the newest state, which is fresh enough for everybody.

        Without a journal it must not: another program may have removed it since, which this NFS
        client would remember when the next writer has made a new one, and was killed.
        """
        if not nfs.has_journal(self._journal):
            if not self._files.exists(self.name):
                raise DatabaseReplaced("there is no such file any more")
            raise RecoveryNeeded("there is no journal file")
        if self._reader is None:
            self._reader = self._open_reader(deadline_s)
        self._reader.deadline_s = deadline_s
        return self._reader

    def state(self) -> str:
        """Return the file's inode, which each machine sees alike, and the digest of its header."""
        assert self._reader is not None
        return self._state(self._reader)

    def version(self) -> Version:
        """Return the state with the time of the last change: an older file that was put in place
        of this one, and written to, may count as many commits. None in WAL mode."""
        assert self._reader is not None
        text = f"{self.state()}-{self._files.changed_ns(self.name):x}"
        return Version(text if counts_commits(self._reader) else "", self._now())

    def _state(self, session: Session) -> str:
        assert self._identity is not None
        return f"{self._identity[1]:x}-{header_digest(session)}"

    @contextmanager
    def write(
        self, grant: Grant, *, creates: bool = False, foreign_keys: bool = True
    ) -> Iterator[Begun]:
        """BEGIN IMMEDIATE before the first read, and ROLLBACK of what was not committed."""
        with closed_on_failure(self):
            session = self._writing(grant, creates=creates)
            try:
                with session.transaction("BEGIN IMMEDIATE", foreign_keys=foreign_keys):
                    removal.check_not_marked(session)
                    yield Begun(session, partial(self.commit, session, grant))
            except WriteRefused as error:
                raise StorageError(f"the database file cannot be written: {error}") from error

    def commit(self, session: Session, grant: Grant) -> Position:
        """Commit what is open on a connection, if the grant still holds."""
        grant.check()
        self._commit(session)
        return self._next_position(grant)

    def vacuum(self, sql: str, grant: Grant) -> Position:
        """Run a VACUUM. SQLite locks the file exclusively at its start: the check comes before."""
        with closed_on_failure(self):
            session = self._writing(grant)
            # In memory the copy would be as large as the database.
            session.run("PRAGMA temp_store = FILE")
            try:
                session.load_schema()
                removal.check_not_marked(session)
                grant.check()
                session.run(sql)
            finally:
                session.run("PRAGMA temp_store = MEMORY")
        return self._next_position(grant)

    def recover(self, grant: Grant) -> bool:
        """Roll back what a killed writer left, and make sure that there is a journal.

        Return whether it was hot.
        """
        with closed_on_failure(self):
            self.close()
            self._files.open_directory()
            if not self._files.exists(self.name):
                return False
            was_hot = self._files.open_journal(self.name)
            self._writing(grant).load_schema()
            return was_hot

    def copy_out(self, copy: Path, deadline_s: float) -> None:
        """Write one state of the file to another one."""
        with closed_on_failure(self):
            copies.copy_out(lambda: self.snapshot(deadline_s), copy)

    def replace(self, copy: Path, grant: Grant) -> Position:
        """Replace what is in the file, after what a killed writer left is undone."""
        self.recover(grant)
        self.close()
        copies.write_over(copy, self._files.path(self.name), grant)
        return self._next_position(grant)

    def remove(self, grant: Grant, check: Callable[[str], None]) -> str:
        """Mark the file, so that nobody writes to it by a name that is old, and move it away."""
        with closed_on_failure(self):
            self.recover(grant)
            session = self._writing(grant)
            removal.mark(
                session, lambda: check(self._state(session)), partial(self.commit, session, grant)
            )
            grant.check()
            files, now_s = self._files, self._now()
            kept = removal.move_away(self.name, session, self._identity, files, now_s)
            self.close()
            return kept

    def bring_back(self, kept: str, grant: Grant) -> None:
        self.close()
        grant.check()
        removal.bring_back(self.name, kept, self._files)

    def release_memory(self) -> None:
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

    def _writing(self, grant: Grant, *, creates: bool = False) -> Session:
        """Return the connection that writes; DatabaseReplaced if there is no file and none is made.

        Before the first use, and where no journal is seen, directory and journal are opened, so
        that SQLite is shown what a killed writer left.
        """
        if self._writer is not None:
            # SQLite checks it too, but only where a page is written: not where a constraint of the
            # old file refuses the write, or a record in it answers for it.
            self.close_if_moved()
        if self._writer is None or not nfs.has_journal(self._journal):
            self._files.open_directory()
            self._files.open_journal(self.name)
        if self._writer is None:
            self._writer = self._open_writer(grant, creates=creates)
        self._writer.deadline_s = grant.deadline_s
        return self._writer

    def _open_reader(self, deadline_s: float) -> Session:
        if self._files.is_wal(self.name):
            raise RecoveryNeeded("the database is in WAL mode")
        return self._open(apsw.SQLITE_OPEN_READONLY, deadline_s)

    def _open_writer(self, grant: Grant, *, creates: bool) -> Session:
        if not creates and not self._files.exists(self.name):
            raise DatabaseReplaced("there is no such file any more")
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
        # This read rolls a hot journal back, and ends the exclusive locking.
        has_table = session.run(_FIND_TABLE, self._table.name)
        has_journal = nfs.has_journal(self._journal)
        is_still_hot = self._files.open_journal(self.name)
        if has_table and has_journal and not is_still_hot:
            return
        with session.transaction("BEGIN IMMEDIATE"):
            session.run(self._table.sql)
            nfs.dirty(session.run)
            self.commit(session, grant)

    def _commit(self, session: Session) -> None:
        try:
            session.finish("COMMIT")
        except (StorageError, DatabaseReplaced, NeedsMemory) as error:
            facts = error.facts if isinstance(error, StorageError) else {}
            raise StorageError(
                f"{error}: the commit failed, so whether it is in the file is not known;"
                " the same request with the same idempotency_key is safe",
                **{**facts, "outcome": "unknown"},
            ) from error

    def _next_position(self, grant: Grant) -> Position:
        """Return the place of the commit that was just made: by the fence, since SQLite keeps none.

        Its change counter would cost a read of the file, and begins again in a file that is moved
        in.
        """
        self._position = max(self._position + 1, grant.fence * COMMITS_A_GRANT)
        return Position(self._position)
