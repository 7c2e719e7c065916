"""One transaction, statement by statement: for callers that cannot know all of them beforehand."""

from collections.abc import Callable

from sqlatch.kernel.errors import ForbiddenStatement, StorageError
from sqlexec import idempotency
from sqlexec.execute import Budget, execute
from sqlexec.idempotency import Record
from sqlexec.plan import Description, Plan, Plans, description
from sqlexec.statement import (
    EncodeRows,
    GrantNeeded,
    IdempotencyKey,
    Kind,
    Limits,
    Result,
    Statement,
)
from storage.connection import Session
from storage.pins import Pins
from storage.translate import DatabaseReplaced, RecoveryNeeded, WriteRefused, moved_meanwhile


class Transaction:
    """A transaction on one connection, from BEGIN to a commit that may never come.

    `writes` says whether it may change anything: it began with BEGIN IMMEDIATE, or stands on an
    empty database in memory. After an error of a statement, `is_open` may be false: SQLite has
    rolled it back (ON CONFLICT ROLLBACK).
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
    ) -> None:
        self.writes = writes
        self._session = session
        self._plans = plans
        self._pins = pins
        self._commit = commit
        self._now = now
        pins.begin(session.connection)

    @property
    def commits(self) -> bool:
        """True if it can be committed: it neither reads only, nor writes into memory."""
        return self._commit is not None

    @property
    def is_open(self) -> bool:
        return self._session.connection.in_transaction

    def plan(self, sql: str) -> Plan:
        """Return the plan of a text; StatementError if it is not exactly one statement."""
        return self._plans.look(sql, self._session)

    def describe(self, sql: str, *, has_run: bool) -> Description:
        return description(sql, self._session, has_run=has_run)

    def execute(
        self,
        statement: Statement,
        limits: Limits,
        encode_rows: EncodeRows,
        *,
        at_ms: int,
        seed: bytes,
    ) -> Result:
        """Run a statement at a time, with a seed for chance.

        GrantNeeded if it writes, and this transaction does not.
        """
        plan = self._plans.look(statement.sql, self._session)
        if plan.kind is Kind.VACUUM:
            raise ForbiddenStatement("not allowed here: VACUUM runs alone, outside a transaction")
        if plan.kind is Kind.WRITE and not self.writes:
            raise GrantNeeded(statement.sql)
        self._pins.pin(at_ms, seed)
        try:
            return execute(statement, self._session, self._plans, Budget(limits, encode_rows))
        except WriteRefused as error:
            self._plans.turns_out_to_write(statement)
            raise GrantNeeded(str(error)) from error
        except DatabaseReplaced as error:
            raise moved_meanwhile(error) from error
        except RecoveryNeeded as error:
            raise StorageError(f"the database was replaced meanwhile: {error}") from error

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
        """Commit for real, the record of `once` with its `reply` in the same transaction.

        Constraint if a deferred foreign key does not hold. Whatever is raised, only its end is left
        to this transaction.
        """
        assert self._commit is not None, "a transaction that reads, or rehearses, is not committed"
        if key is not None:
            idempotency.keep(self._session, key, reply, self._now())
        self._commit()
