"""One transaction, statement by statement: for callers that cannot know all of them beforehand."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlatch.kernel.errors import ForbiddenStatement, StorageError
from sqlatch.kernel.values import Value
from sqlexec import idempotency
from sqlexec.execute import Budget, execute
from sqlexec.idempotency import Record
from sqlexec.plan import Description, Plan, Plans, description
from sqlexec.statement import EncodeRows, GrantNeeded, IdempotencyKey, Kind, Limits, Statement
from storage.connection import Session
from storage.pins import Pins
from storage.translate import DatabaseReplaced, RecoveryNeeded, WriteRefused, moved_meanwhile

Names = Sequence[str | None]
"""The parameters of a statement; None is a `?`."""


class Arguments(Protocol):
    """The values for the parameters of a statement, `in_order` if they have no names."""

    in_order: Sequence[Value] | None

    def bound(self, names: Names) -> Statement:
        """Return the statement with its values; raise the caller's own error if they do not fit."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The result of a statement: (name, declared type) of each column, rows as sent, counts.

    `is_unordered` says that the order of the rows is that of a hash table, each connection's own,
    as PRAGMA table_list has it.
    """

    columns: tuple[tuple[str, str | None], ...]
    rows: list[Any]
    rows_affected: int
    last_insert_rowid: int
    is_unordered: bool
    rows_count: int
    truncated: bool
    rows_bytes: int


class Transaction:
    """A transaction on one connection, from BEGIN to a commit that may never come.

    `writes` says whether it may change anything: it began with BEGIN IMMEDIATE, or stands on an
    empty database in memory. `wrote` says whether a statement that writes was run, and `commits`
    whether that can be committed, which it cannot in memory. `state` names the state that a reader
    sees. After an error of a statement,
    `is_open` may be false: SQLite has rolled it back (ON CONFLICT ROLLBACK).
    """

    def __init__(
        self,
        session: Session,
        *,
        plans: Plans,
        pins: Pins,
        writes: bool,
        commit: Callable[[], object] | None,
        now: Callable[[], float],
        state: Callable[[], str],
    ) -> None:
        self.state = state
        self.writes = writes
        self.wrote = False
        self.commits = commit is not None
        self._session = session
        self._plans = plans
        self._pins = pins
        self._commit = commit
        self._now = now
        pins.begin(session.connection)

    @property
    def is_open(self) -> bool:
        return self._session.connection.in_transaction

    def plan(self, sql: str) -> Plan:
        """Return the plan of a text; StatementError if it is not exactly one statement."""
        return self._plans.look(sql, self._session)

    def describe(self, sql: str, *, has_run: bool) -> Description:
        return description(sql, self._session, has_run=has_run)

    def run(
        self,
        sql: str,
        arguments: Arguments,
        limits: Limits,
        encode_rows: EncodeRows,
        *,
        at_ms: int,
        seed: bytes,
    ) -> Ran:
        """Run a statement at a time, with a seed for chance.

        GrantNeeded if it writes, and this transaction does not.
        """
        plan = self._plans.look(sql, self._session)
        given = arguments.in_order
        fits = given is not None and len(given) == len(plan.names)
        statement = Statement(sql, given) if fits else arguments.bound(plan.names)
        if plan.kind is Kind.VACUUM:
            raise ForbiddenStatement("not allowed here: VACUUM runs alone, outside a transaction")
        if plan.kind is Kind.WRITE:
            if not self.writes:
                raise GrantNeeded(sql)
            self.wrote = True
        self._pins.pin(at_ms, seed)
        try:
            result = execute(statement, plan, self._session, Budget(limits, encode_rows))
        except WriteRefused as error:
            if self.writes:
                raise StorageError(f"the database file cannot be written: {error}") from error
            self._plans.turns_out_to_write(statement)
            raise GrantNeeded(str(error)) from error
        except DatabaseReplaced as error:
            raise moved_meanwhile(error) from error
        except RecoveryNeeded as error:
            raise StorageError(f"the database was replaced meanwhile: {error}") from error
        columns: tuple[tuple[str, str | None], ...] = ()
        if result.columns:
            columns = self.describe(sql, has_run=not plan.inspects).columns
        return Ran(
            columns,
            result.rows,
            result.rows_affected,
            self._session.connection.last_insert_rowid(),
            is_unordered=plan.inspects,
            rows_count=result.rows_count,
            truncated=result.truncated,
            rows_bytes=result.rows_bytes,
        )

    def savepoint(self, verb: str, name: str) -> None:
        """SAVEPOINT, RELEASE or ROLLBACK TO a name, which the policy keeps users from saying."""
        quoted = '"' + name.replace('"', '""') + '"'
        self._session.run(f"{verb} {quoted}")

    @property
    def last_insert_rowid(self) -> int:
        return self._session.connection.last_insert_rowid()

    @last_insert_rowid.setter
    def last_insert_rowid(self, rowid: int) -> None:
        self._session.connection.set_last_insert_rowid(rowid)

    def records(self, *, after: str, before: str, also: str) -> list[Record]:
        """The records of commits whose keys lie between two, and that of one more, oldest first."""
        if not idempotency.has_table(self._session):
            return []
        return idempotency.records(self._session, after=after, before=before, also=also)

    def commit(self, key: IdempotencyKey | None = None, reply: str = "") -> None:
        """Commit for real, the record of `key` with its `reply` in the same transaction.

        Constraint if a deferred foreign key does not hold. Whatever is raised, only its end is left
        to this transaction.
        """
        assert self._commit is not None, "a transaction that reads, or rehearses, is not committed"
        if key is not None:
            idempotency.keep(self._session, key, reply, self._now())
        self._commit()
