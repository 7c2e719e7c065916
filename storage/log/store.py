"""One database on a log: read from the private copy, written by the append of a record."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from sqlatch.kernel.errors import LeaseLost, SqlatchError
from storage import copies, engine
from storage.connection import Session
from storage.engine import NEWEST, Begun, Freshness, Grant, Position, Table, closed_on_failure
from storage.header import header_digest
from storage.log import connections
from storage.log.capture import Capture, Changes
from storage.log.doubt import GONE_ON, CopyFailed, what_became
from storage.log.freshness import ASK_S, on_the_newest, reach
from storage.log.log import COMMIT_ID_BYTES, Conflict, InDoubt, in_doubt
from storage.log.replica import Replica
from storage.pins import Pins
from storage.translate import DatabaseReplaced
from storage.version import Version

if TYPE_CHECKING:
    from storage.log.replacement import Ready

AS_IT_IS = Freshness(max_age_s=inf)  # the log was asked just before
_FIND_TABLE = "SELECT 1 FROM sqlite_schema WHERE lower(name) = ?"


class Store:
    """A connection that cannot write and one that can, on the replica that an instance has."""

    max_age_s = 0.0

    def __init__(
        self,
        name: str,
        replica: Replica,
        *,
        table: Table,
        now: Callable[[], float],
        pins: Pins | None = None,
    ) -> None:
        self.name = name
        self._replica = replica
        self._table = table
        self._now = now
        self._pins = pins
        self._reader: Session | None = None
        self._writer: Session | None = None
        self._capture: Capture | None = None
        self._clock: Capture | None = None
        self._generation = replica.generation
        self._has_table_since = -1
        self._copy_has_failed = False
        self.position: Position | None = None

    def pinned(self, pins: Pins) -> "Store":
        return Store(self.name, self._replica, table=self._table, now=self._now, pins=pins)

    def exists(self, *, at_once: bool = False) -> bool:
        if not self._replica.is_there:  # else what comes next asks for what is new
            self._replica.catch_up(self._now() + ASK_S)
        return self._replica.is_there

    def snapshot(self, deadline_s: float, freshness: Freshness = NEWEST) -> Session:
        reach(self._replica, freshness, now=self._now, deadline_s=deadline_s)
        self._check_there()
        self._close_the_thrown_away()
        self.position = Position(self._replica.txid)
        if self._reader is None:
            self._reader, self._clock = connections.reader(
                self._replica, now=self._now, deadline_s=deadline_s, pins=self._pins
            )
        self._reader.deadline_s = deadline_s
        return self._reader

    def state(self) -> str:
        """Return the position and the digest of the header, since a position may come again."""
        assert self._reader is not None
        return f"{engine.position_text(self._replica.txid)}-{header_digest(self._reader)}"

    def version(self) -> Version:
        """Return the state with the id of the log: another one may be put in its place."""
        log_id = self._replica.log.database_id
        text = "" if log_id is None else f"{log_id.hex()}-{self.state()}"
        return Version(text, self._replica.checked_at_s)

    @contextmanager
    def write(
        self, grant: Grant, *, creates: bool = False, foreign_keys: bool = True
    ) -> Iterator[Begun]:
        with self._on_the_copy():
            session = self._writing(grant, creates=creates)
            with (
                on_the_newest(self._replica, grant.deadline_s, self._now),
                session.transaction("BEGIN IMMEDIATE", foreign_keys=foreign_keys),
            ):
                self._make_table(session)
                yield Begun(session, partial(self.commit, session, grant))

    def commit(self, session: Session, grant: Grant) -> Position:
        """Commit what is open on the connection that writes, if the grant still holds."""
        grant.check()
        return self._ship(session, partial(session.finish, "COMMIT"), grant)

    def vacuum(self, sql: str, grant: Grant) -> Position:
        with self._on_the_copy():
            session = self._writing(grant)
            session.run("PRAGMA temp_store = FILE")  # it is as large as the database
            try:
                grant.check()
                with on_the_newest(self._replica, grant.deadline_s, self._now):
                    return self._ship(session, partial(session.run, sql), grant)
            finally:
                session.run("PRAGMA temp_store = MEMORY")

    def recover(self, grant: Grant) -> bool:
        """Seal the log: whatever a writer before still does, it is not in it."""
        with closed_on_failure(self):
            grant.doubt()
            self._ready(grant, seal=True)
            grant.settle()
        return False

    def copy_out(self, copy: Path, deadline_s: float) -> None:
        with closed_on_failure(self), copies.translated(self.name):
            source = self.snapshot(deadline_s).connection
            with closing(apsw.Connection(str(copy))) as target:
                copies.copy_pages(source, target)

    def replace(self, copy: Path, grant: Grant) -> Position:
        """Have the log go on behind a snapshot of the file, with which every copy begins anew."""
        from storage.log.replacement import replacement

        with closed_on_failure(self):
            self._ready(grant)
            self._check_there()
            return self._go_on_behind(replacement(self._replica, copy, grant.deadline_s), grant)

    def remove(self, grant: Grant, check: Callable[[str], None]) -> str:
        """Have the log go on behind nothing, if no commit comes between the check and that."""
        from storage.log.removal import removal

        with closed_on_failure(self):
            self._ready(grant)
            self.snapshot(grant.deadline_s, AS_IT_IS)
            check(self.state())
            kept, ready = removal(self._replica, grant.deadline_s, at_ms=self._ms())
            self._go_on_behind(ready, grant)
        return kept

    def bring_back(self, kept: str, grant: Grant) -> None:
        from storage.log.removal import brought_back

        with closed_on_failure(self):
            self._ready(grant)
            self._go_on_behind(
                brought_back(self._replica, kept, grant.deadline_s, at_ms=self._ms()), grant
            )

    def _go_on_behind(self, ready: "Ready", grant: Grant) -> Position:
        """Commit a snapshot that lies ready, in place of the record that is to follow."""
        commit_id, commit = ready
        txid = self._replica.txid + 1
        try:
            grant.check()
            with in_doubt(grant.doubt, grant.settle):
                commit()
        except (InDoubt, Conflict) as error:
            return self._refused(error, commit_id, grant, error)
        self._replica.reread()  # the copy has nothing of it yet
        with suppress(SqlatchError):  # it is committed, and the next request asks again
            self._replica.catch_up(max(grant.deadline_s, self._now() + ASK_S))
        return self._at(txid)

    def release_memory(self) -> None:
        for session in filter(None, (self._reader, self._writer)):
            session.connection.release_memory()

    def close(self) -> None:
        self._close_connections()
        self._replica.rest()

    def _close_connections(self) -> None:
        sessions, files = (self._reader, self._writer), (self._capture, self._clock)
        self._reader = self._writer = self._capture = self._clock = None
        for session in filter(None, sessions):
            session.close()
            self._replica.disconnect()
        for each in filter(None, files):
            each.unregister()

    def _ship(self, session: Session, commit: Callable[[], object], grant: Grant) -> Position:
        """Commit by way of the log. What it has taken is committed, whatever SQLite says then."""
        assert self._capture is not None
        commit_id = os.urandom(COMMIT_ID_BYTES)
        ship = partial(self._append, commit_id=commit_id, grant=grant)
        with self._capture.committing(ship):
            try:
                commit()
            except Exception as error:
                if not self._capture.has_shipped:
                    if (failure := self._capture.failure) is None:
                        raise
                    if session.connection.in_transaction:
                        session.finish("ROLLBACK")
                    # Another's first record may look to SQLite like what it has just rolled back.
                    self._replica.generation += not self._replica.is_there
                    return self._refused(failure, commit_id, grant, error)
                self._copy_has_failed = True
                return self._at(self._replica.txid + 1)
            if self._capture.has_shipped:
                self._replica.advance()
        return self._at(self._replica.txid)

    def _append(self, changes: Changes, commit_id: bytes, grant: Grant) -> None:
        content = changes.record(self._replica.txid + 1, at_ms=self._ms())
        with in_doubt(grant.doubt, grant.settle):
            self._replica.append(commit_id, content)

    def _refused(
        self, failure: BaseException, commit_id: bytes, grant: Grant, error: Exception
    ) -> Position:
        """Return the place of a transaction that the log took, though not at once; or raise."""
        until_s = max(grant.deadline_s, self._now() + ASK_S)
        try:
            txid = what_became(self._replica, failure, commit_id, grant, until_s)
        except SqlatchError as refusal:
            self._copy_has_failed |= isinstance(refusal, CopyFailed)
            raise refusal from error
        return self._at(txid)  # others may have gone on behind it

    def _writing(self, grant: Grant, *, creates: bool = False) -> Session:
        # With pins there are answers before the commit, which nothing would check.
        may_go_first = grant.optimistic and self._pins is None
        if not (may_go_first and self._replica.go_first()):
            self._ready(grant)
        if not creates:
            self._check_there()
        self._close_the_thrown_away()
        if self._writer is None:
            self._writer, self._capture = connections.writer(
                self._replica, now=self._now, deadline_s=grant.deadline_s, pins=self._pins
            )
        self._writer.deadline_s = grant.deadline_s
        return self._writer

    def _ready(self, grant: Grant, *, seal: bool = False) -> None:
        try:
            self._replica.ready(grant.deadline_s, fence=grant.fence, seal=seal)
        except Conflict as error:
            raise LeaseLost(GONE_ON) from error

    def _make_table(self, session: Session) -> None:
        """Create the table where it is missing, in the transaction that is open."""
        if self._has_table_since != self._replica.replacements:
            if session.run(_FIND_TABLE, self._table.name):
                self._has_table_since = self._replica.replacements
            else:
                session.run(self._table.sql)

    def _check_there(self) -> None:
        if not self._replica.is_there:
            raise DatabaseReplaced("there is no such database")

    def _ms(self) -> int:
        return int(self._now() * 1000)

    def _at(self, txid: int) -> Position:
        self.position = Position(txid)
        return self.position

    @contextmanager
    def _on_the_copy(self) -> Iterator[None]:
        """Throw the copy away behind a commit in which it failed, though the log has taken it."""
        with closed_on_failure(self):
            try:
                yield
            except BaseException as error:
                # An interruption may come between the append and the commit of the copy.
                self._copy_has_failed |= not isinstance(error, Exception)
                raise
            finally:
                if self._copy_has_failed:
                    self._copy_has_failed = False
                    self.close()
                    self._replica.begin_anew()

    def _close_the_thrown_away(self) -> None:
        if self._generation != self._replica.generation:
            self._close_connections()
            self._replica.rest(keeps_log=True)  # it may be ready for an append
            self._generation = self._replica.generation
