"""A connection that cannot write without the lease, takes it when SQLite is about to, and gives it
back when the transaction is over."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from sqlatch.django.cursor import Cursor, PlainCursor
from sqlatch.django.guard import Guard, result_code
from sqlatch.django.opening import prepare

if TYPE_CHECKING:
    from sqlatch.django.files import DatabaseFile
    from sqlatch.django.write_lease import WriteLease

T = TypeVar("T")

CANNOT_WRITE = "PRAGMA query_only = ON"
CAN_WRITE = "PRAGMA query_only = OFF"

STALE = (
    "database is locked: another writer committed between what this transaction has read and its"
    " first write; nothing of it was written, and it can be run again"
    " (select_for_update() or transaction_mode IMMEDIATE take the lease before the first read)"
)
ROLLED_BACK = (
    "the transaction was rolled back by the error of an earlier statement;"
    " nothing of it was written"
)
ENDED_BY_SQL = (
    "the transaction was ended before the end of its atomic() block, by COMMIT or ROLLBACK as SQL;"
    " what came before that is written if it was COMMIT, nothing after it"
)


class Connection(sqlite3.Connection):
    """SQLite's connection to a database file, in `query_only` mode while it has no lease.

    So it is SQLite that says, when it is about to write, that a statement writes: nothing is
    learnt from its text, and what this class does not see is refused.
    """

    def __init__(
        self,
        *arguments: Any,
        file: "DatabaseFile",
        lease: "WriteLease",
        is_managed: Callable[[], bool],
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **{"isolation_level": None, **options})
        self.savepoints: list[str] = []
        self.has_read = False
        self._listings = 0
        self._file = file
        self._lease = lease
        self._is_managed = is_managed
        self._ended: str | None = None
        self._timeout_ms = int(options.get("timeout", 5.0) * 1000)
        self._guard = Guard(is_writing=lambda: lease.is_held)
        prepare(self._run_ours)
        self._run_ours(CANNOT_WRITE)
        self.set_authorizer(self._guard.authorize)

    def cursor(self, factory: Any = PlainCursor) -> Any:
        return super().cursor(factory)

    def execute(self, *arguments: Any) -> Any:
        # sqlite3's own makes a cursor without asking `cursor`; so do the next two.
        return self.cursor().execute(*arguments)

    def executemany(self, *arguments: Any) -> Any:
        return self.cursor().executemany(*arguments)

    def executescript(self, script: str) -> Any:
        return self.cursor().executescript(script)

    def run(self, cursor: Cursor, action: Callable[[], T], sql: str, *, has_values: bool) -> T:
        """Do what executes a statement on a cursor: under the lease, if SQLite finds it writes."""
        self.check_not_ended()
        with self._noticing_its_end():
            return self._run(cursor, action, sql, has_values=has_values)

    def check_not_ended(self) -> None:
        """Refuse if the transaction that Django has begun, and will end, is over already."""
        if self._ended is not None:
            raise sqlite3.OperationalError(self._ended)

    @property
    def has_ended(self) -> bool:
        return self._ended is not None

    def _run(self, cursor: Cursor, action: Callable[[], T], sql: str, *, has_values: bool) -> T:
        if self._lease.is_held:
            return self._run_in_writing(action)
        was_in_transaction = self.in_transaction
        if not self.has_read:
            self._recover_if_hot()
        try:
            result = self._guard.watch(action)
        except sqlite3.OperationalError as error:
            if result_code(error) != sqlite3.SQLITE_READONLY or self._file.is_read_only:
                raise
        else:
            self.has_read = was_in_transaction and self.in_transaction
            return result
        if self.in_transaction:
            self._begin_writing()
            return self._run_in_writing(action)
        return self._write_alone(cursor, action, sql, has_values=has_values)

    def begin_writing(self, *, patience_s: float | None = None) -> None:
        """Have the transaction that has begun write, as if it had begun with BEGIN IMMEDIATE.

        It is begun anew: whoever waits for the lease must hold no lock that its holder needs gone.
        Refused if what has been read is not what stands there now.
        """
        self.check_not_ended()
        if self._lease.is_held:
            return
        with self._noticing_its_end():
            self._begin_writing(patience_s)

    def _begin_writing(self, patience_s: float | None = None) -> None:
        seen = self._data_version() if self.has_read else None
        savepoints = list(self.savepoints)
        super().rollback()
        try:
            self._take(patience_s)
            self._run_ours("BEGIN IMMEDIATE")
            if seen is not None and self._data_version() != seen:
                raise sqlite3.OperationalError(STALE)
            for savepoint in savepoints:
                self._run_ours(f'SAVEPOINT "{savepoint}"')
        except BaseException:
            self.rollback()
            raise
        self.savepoints = savepoints

    def commit(self) -> None:
        """Commit, unless the lease has run out: then roll back. After either, give it back."""
        self.check_not_ended()
        if self._lease.is_held:
            self._commit()
        else:
            super().commit()
        self._settle()

    def rollback(self) -> None:
        super().rollback()
        self._ended = None
        self._settle()

    def close(self) -> None:
        super().close()
        self._lease.close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        if kind is None:
            self.commit()
        else:
            self.rollback()
        return False

    @contextmanager
    def _noticing_its_end(self) -> Iterator[None]:
        """Note where a statement ends the transaction that Django has begun and will end itself."""
        is_open = self.in_transaction and self._is_managed()
        try:
            yield
        except BaseException:
            if is_open and not self.in_transaction:
                self._ended = ROLLED_BACK
            raise
        # Without autocommit there is no block, and COMMIT as SQL is one like any other.
        if is_open and not self.in_transaction and self.isolation_level is None:
            self._ended = ENDED_BY_SQL

    def _take(self, patience_s: float | None = None) -> None:
        self._lease.take(patience_s=patience_s)
        self._run_ours(CAN_WRITE)

    def _settle(self) -> None:
        """Once the transaction is over: no lease, and no writing without."""
        if self.in_transaction:
            return
        self.has_read = False
        self.savepoints.clear()
        if self._lease.is_held:
            try:
                self._run_ours(CANNOT_WRITE)
                self._run_ours(f"PRAGMA busy_timeout = {self._timeout_ms}")
            finally:
                self._lease.give_back()

    def _run_in_writing(self, action: Callable[[], T]) -> T:
        try:
            self._lease.check()
        except sqlite3.OperationalError:
            self.rollback()
            raise
        try:
            with self._guard.gate_passed():
                return self._guard.watch(action)
        finally:
            self._settle()

    def _write_alone(
        self, cursor: Cursor, action: Callable[[], T], sql: str, *, has_values: bool
    ) -> T:
        """A statement outside a transaction, in one of its own; its rows are fetched before COMMIT.

        (INSERT ... RETURNING has not ended before its last row is fetched, and commits then.)
        """
        opcodes = set() if has_values else self._opcodes(sql)
        self._take()
        if opcodes & {"AutoCommit", "Vacuum"}:
            return self._run_in_writing(action)
        try:
            self._run_ours("BEGIN IMMEDIATE")
            result = self._run_in_writing(action)
            cursor.keep_rows()
            self.commit()
        except BaseException:
            self.rollback()
            raise
        return result

    def _commit(self) -> None:
        """The last check, then COMMIT, which may wait for readers as long as the lease lasts."""
        try:
            self._lease.check()
            wait_ms = min(self._timeout_ms, int(self._lease.left_s * 1000))
            self._run_ours(f"PRAGMA busy_timeout = {max(wait_ms, 0)}")
            with self._guard.gate_passed():
                super().commit()
        except sqlite3.IntegrityError:
            raise
        except BaseException:
            super().rollback()
            raise
        finally:
            self._settle()

    def _recover_if_hot(self) -> None:
        if self._file.is_perhaps_hot() and not self._file.is_read_only and self._file.is_hot():
            self._lease.make_ready(only_if_hot=True)

    def _data_version(self) -> int:
        """A number that another's commit changes; in a transaction, as of its first read."""
        return int(self._run_ours("PRAGMA data_version")[0][0])

    def _opcodes(self, sql: str) -> set[str]:
        # SQLite never checks that the schema of a listing is current, and sqlite3 keeps what it has
        # prepared, by its text: so each text is another, or freed memory would be read.
        self._listings += 1
        return {row[1] for row in self._run_ours(f"EXPLAIN /* {self._listings} */ {sql}")}

    def _run_ours(self, sql: str) -> list[Any]:
        with self._guard.ours():
            return sqlite3.Cursor(self).execute(sql).fetchall()
