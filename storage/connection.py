"""One open connection: its settings and limits, whose SQL runs on it, and until when."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import DatabaseBusy, StorageError
from sqlatch.kernel.values import Row, Value
from storage import functions, uids
from storage.hints import hint_of
from storage.pins import Pins
from storage.policy import LIMITS, Policy
from storage.tally import FULLSCAN, PROFILE, RAN
from storage.translate import FOREIGN_ERRORS, UnknownName, in_our_words
from storage.watchdog import watchdog

PROGRESS_OPCODES = 1_000
"""How often SQLite asks for the deadline: every 10 us; for large values there is the watchdog."""

BUSY_SLEEPS_S = (0.001, 0.002, 0.005, 0.01, 0.025)
STATEMENTS_KEPT = 64

SETTINGS = ("PRAGMA foreign_keys = ON", *nfs.SETTINGS)

_SHADOW = "SELECT 1 FROM pragma_table_list(?) WHERE type = 'shadow'"
_NO_VALUES: Any = apsw._null_bindings  # type: ignore[attr-defined]
"""The sentinel with which apsw's own query_info prepares a statement without its values."""

Cursor = apsw.Cursor
SQLite = apsw.Connection

Look = Callable[[Cursor, str, object], bool]
"""Called with a statement that is prepared, its text, and its values; False: it is not run."""


class Session:
    """One connection. The user's statements run inside `user()`, under the policy; ours in `run()`.

    `deadline_s` (epoch seconds) holds for both, and for every wait for SQLite's locks. One that
    `keeps_journal` may write to a file. `vfs` is the file system, the pins' if none is named.
    """

    def __init__(
        self,
        database: str,
        path: Path | str,
        *,
        flags: int,
        now: Callable[[], float],
        deadline_s: float,
        keeps_journal: bool = False,
        pins: Pins | None = None,
        vfs: str | None = None,
    ) -> None:
        self.deadline_s = deadline_s
        self._database = database
        self._now = now
        self._finishes = False
        self.policy = Policy()
        self._schema_version: Value = None
        self._uids = uids.Uids(self, now=now, pins=pins)
        try:
            self.connection = apsw.Connection(
                str(path),
                flags=flags,
                vfs=vfs or (None if pins is None else pins.vfs),
                statementcachesize=STATEMENTS_KEPT,
            )
            try:
                self._configure(keeps_journal=keeps_journal)
                if keeps_journal and self.connection.readonly("main"):
                    raise StorageError(f"database {database!r}: the file cannot be written")
                if pins is not None:
                    pins.install(self.connection)
            except BaseException:
                # Left to the garbage collector it would keep its locks from the next connection.
                self.close()
                raise
        except FOREIGN_ERRORS as error:
            raise in_our_words(error, database) from error

    def close(self) -> None:
        # A file that fails as it is closed is closed all the same: SQLite goes on, and so do we.
        with suppress(apsw.Error):
            self.connection.close(force=True)

    def run(self, sql: str, *values: Value) -> list[Row]:
        """Run a statement of our own.

        The flag keeps it apart in the statement cache: a user who sends the same text would find
        it there prepared, and so past the policy.
        """
        cursor = self.connection.cursor()
        self.policy.is_in_force = False
        try:
            cursor.execute(sql, values, prepare_flags=apsw.SQLITE_PREPARE_PERSISTENT)
            return cursor.fetchall()
        except FOREIGN_ERRORS as error:
            raise in_our_words(error, self._database) from error
        finally:
            self.policy.is_in_force = True

    def finish(self, sql: str) -> None:
        """Run what ends a transaction or a savepoint. The deadline ends only its wait for a lock:
        SQLite asks for the time at the end of a COMMIT too, when it has been made."""
        if self._uids.last is not None and sql == "COMMIT":
            self._uids.keep()
        self._finishes = True
        try:
            self.run(sql)
        finally:
            self._finishes = False

    @contextmanager
    def transaction(self, begin: str, *, foreign_keys: bool = True) -> Iterator[None]:
        """Begin a transaction, and load the schema. Roll back what was not committed at the end."""
        if not foreign_keys:
            self.run("PRAGMA foreign_keys = OFF")
        try:
            self.run(begin)
            self._uids.last = None  # what another has drawn since is in the database
            try:
                self.load_schema()
                yield
            finally:
                if self.connection.in_transaction:
                    self.finish("ROLLBACK")
        finally:
            if not foreign_keys:
                self.run("PRAGMA foreign_keys = ON")

    def load_schema(self) -> None:
        """Learn the schema as it is now.

        SQLite prepares with the schema it knows. Some errors it finds by that (ALTER TABLE of a
        column it has not heard of) it reports without checking that the schema is current,
        and for PRAGMA index_list of a table that it has not heard of there is nothing to report.
        """
        self.run(nfs.READ)

    def schema_has_changed(self) -> bool:
        """Load the schema; return whether it has changed since this was last called."""
        self.load_schema()
        ((version,),) = self.run("PRAGMA schema_version")
        known, self._schema_version = self._schema_version, version
        return version != known

    def refresh_schema(self) -> None:
        """Before a PRAGMA, which takes what this connection knows of the schema without a look.

        FTS5 takes even its index as the connection saw it last, and the integrity check of one that
        another has written to since calls it malformed (SQLite 3.54.1). To forget all that would
        lose what a writer has not yet flushed, so only a reader does.
        """
        if self.connection.readonly("main"):
            self.run("PRAGMA writable_schema = RESET")
        else:
            self.load_schema()

    @property
    def defines(self) -> bool:
        """True if the statement prepared last, in `user()`, is one of data definition."""
        return self.policy.defines

    @property
    def changes(self) -> bool:
        """True if it is an INSERT, an UPDATE or a DELETE."""
        return self.policy.changes

    @property
    def inserts(self) -> bool:
        """True if it is an INSERT. A virtual table that it opens prepares some of its own."""
        return any(not self._is_shadow(table) for table in self.policy.inserted)

    @property
    def inspects(self) -> bool:
        """True if it is a PRAGMA."""
        return self.policy.inspects

    def user(self, sql: str = "", sets: int = 0) -> "_UserStatement":
        """A cursor for a user's statement, under the policy, reset at the end.

        It is counted if its number of sets of values is given.

        Timeout if the deadline is past, or comes before the end. An unknown name gets a hint.
        """
        return _UserStatement(self, sql, self.connection.cursor(), sets)

    def left_s(self) -> float:
        """Return the time until the deadline; InterruptError if it is past, as SQLite does."""
        left_s = self.deadline_s - self._now()
        if left_s < 0:
            raise apsw.InterruptError("the deadline is past")
        return left_s

    def translated(self, error: Exception, sql: str) -> Exception:
        """Return the service's error for one of apsw's in a user's statement."""
        said = in_our_words(error, self._database, refusal=self.policy.refusal)
        self.policy.refusal = ""
        if isinstance(said, UnknownName):
            said.add_hint(hint_of(said, sql, self.run))
        return said

    def prepare(self, sql: str, look: Look, *, can_cache: bool) -> None:
        """Prepare a user's statement, look at it, and do not run it."""
        self.policy.note_anew()
        with self.user(sql) as cursor:
            cursor.exec_trace = look
            try:
                cursor.execute(sql, _NO_VALUES, can_cache=can_cache)
            except apsw.ExecTraceAbort:
                return

    def _is_shadow(self, table: str) -> bool:
        # The name of a shadow table is that of its virtual table, with an underscore behind.
        return "_" in table and bool(self.run(_SHADOW, table))

    def _configure(self, *, keeps_journal: bool) -> None:
        connection = self.connection
        connection.authorizer = self.policy
        connection.set_progress_handler(self._is_to_stop, PROGRESS_OPCODES)
        connection.set_busy_handler(self._wait_for_lock)
        connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
        connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
        for limit, value in LIMITS.items():
            connection.limit(limit, value)
        functions.install(connection, self.left_s)
        connection.create_scalar_function("uid", self._uids.draw, 0, flags=uids.FLAGS)
        if keeps_journal and not nfs.run_first(self.run):
            raise DatabaseBusy(
                f"database {self._database!r} is in WAL mode, and in use elsewhere:"
                " end the program that uses it"
            )
        for setting in SETTINGS:
            self.run(setting)

    def _is_to_stop(self) -> bool:
        return self._now() > self.deadline_s and not self._finishes

    def _wait_for_lock(self, attempt: int) -> bool:
        left_s = self.deadline_s - self._now()
        if left_s <= 0:
            return False
        time.sleep(min(left_s, BUSY_SLEEPS_S[min(attempt, len(BUSY_SLEEPS_S) - 1)]))
        return True


def columns_of_row(cursor: Cursor) -> tuple[str, ...]:
    """Return the names of the columns of the row that is there; none if there is no row."""
    try:
        return tuple(column[0] for column in cursor.get_description())
    except apsw.ExecutionCompleteError:
        return ()


@dataclass(slots=True)
class _UserStatement:
    """A user's statement in its `with`: watched until its end."""

    session: Session
    sql: str
    cursor: apsw.Cursor
    sets: int
    _events: list[dict[str, Any]] = field(default_factory=list)
    _began_s: float = 0.0

    def __enter__(self) -> apsw.Cursor:
        if self.sets and RAN.get() is not None:
            self._began_s = time.perf_counter()
            if self.sets == 1:  # SQLite counts for each run, which takes as long as a short one
                self.session.connection.trace_v2(PROFILE, self._events.append)
        try:
            watchdog().watch(self.cursor, self.session.connection, self.session.left_s())
        except FOREIGN_ERRORS as error:
            self.cursor.close(force=True)
            raise self.session.translated(error, self.sql) from error
        return self.cursor

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        watchdog().forget(self.cursor)
        self.cursor.close(force=True)
        if self.sets and (ran := RAN.get()) is not None:
            took_s = time.perf_counter() - self._began_s
            scanned = self._events[-1]["stmt_status"][FULLSCAN] if self._events else 0
            ran.append((self.sql, self.sets, took_s, scanned))
            self.session.connection.trace_v2(0, None)
        if isinstance(error, FOREIGN_ERRORS):
            raise self.session.translated(error, self.sql) from error


def sqlite_version() -> str:
    """The version of the SQLite inside apsw, which is not the runtime's."""
    return apsw.sqlite_lib_version()
