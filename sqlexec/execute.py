"""Running a request's statements, one after the other, within its limits."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol

from sqlatch.kernel.errors import (
    ForbiddenStatement,
    ResultTooLarge,
    SqlatchError,
    StatementError,
)
from sqlatch.kernel.values import INTEGER_MAX, Parameters
from sqlexec.idempotency import refuse_own_names
from sqlexec.plan import Plan, Plans, description
from sqlexec.statement import EncodeRows, Job, Kind, Limits, Result, Statement
from storage.connection import Cursor, Session, SQLite, columns_of_row

ROWS_AT_ONCE_FIRST = 8
ROWS_AT_ONCE_MAX = 1_000
CHUNK_BYTES_MAX = 128 * 1024
"""Rows are fetched, and their bytes counted, in chunks that grow while they are small: a value may
have 16 MiB, and what is fetched is not yet refused."""


def execute_all(job: Job, session: Session, plans: Plans) -> list[Result]:
    """Run the statements in order; an error says which one it was."""
    # An earlier request's is none of this one's; from here on it is what SQLite says it is.
    session.connection.set_last_insert_rowid(0)
    budget = Budget(job.limits, job.encoder.rows)
    results = []
    for index, statement in enumerate(job.statements):
        try:
            plan = plans.of(statement, session)
            results.append(execute(statement, plan, session, budget))
        except SqlatchError as error:
            if len(job.statements) > 1:
                error.facts.setdefault("statement", index)
            raise
    return results


def execute(statement: Statement, plan: Plan, session: Session, budget: "Outlet") -> Result:
    """Run one statement, whose values fit its plan, within what the budget still has."""
    if plan.kind is Kind.VACUUM:
        raise ForbiddenStatement("not allowed here: VACUUM runs alone, outside a transaction")
    if plan.inspects:
        session.refresh_schema()
    if plan.defines and plan.kind is Kind.WRITE:
        with _undone_on_failure(session):
            result = _run(statement, plan, session, budget)
            # SQLite says nothing of the new name in ALTER TABLE until it is there.
            refuse_own_names(session)
            return result
    return _run(statement, plan, session, budget)


@contextmanager
def _undone_on_failure(session: Session) -> Iterator[None]:
    """Undo a statement that was refused after it had run: its transaction may go on."""
    session.run("SAVEPOINT definition")
    try:
        yield
    except SqlatchError:
        if session.connection.in_transaction:
            session.finish("ROLLBACK TO definition")
            session.finish("RELEASE definition")
        raise
    session.finish("RELEASE definition")


def _run(statement: Statement, plan: Plan, session: Session, budget: "Outlet") -> Result:
    if statement.parameter_sets is not None and not statement.parameter_sets:
        return Result((), [], 0, 0, None)
    can_cache = not plan.inspects
    connection = session.connection
    sets = statement.parameter_sets
    changes = _Changes(connection) if plan.changes or sets is not None else None
    try:
        with session.user(statement.sql, 1 if sets is None else len(sets)) as cursor:
            if sets is None or changes is None:
                cursor.execute(statement.sql, statement.parameters or None, can_cache=can_cache)
            else:
                between = changes.between(sets)
                cursor.executemany(statement.sql, between, can_cache=can_cache)
            # The first step may have found another schema, and so more columns or fewer.
            columns = columns_of_row(cursor) if plan.returns else ()
            rows, count, truncated = budget.fetch(cursor, columns)
            if truncated and plan.kind is Kind.WRITE:
                for _row in cursor:
                    pass
    except SqlatchError as error:
        told = _told(error, session)
        if sets is not None and changes is not None:
            told.facts.setdefault("parameter_set", changes.set_number)
        raise told from (None if told is error else error)
    if plan.returns and not count:
        found = description(statement.sql, session, has_run=can_cache).columns
        columns = tuple(name for name, _type in found)
        budget.spend_names(columns)
    if plan.defines:
        # SQLite's own writes to the schema, or to a virtual table's shadows, are no rows of the
        # caller's.
        return Result(columns, rows, count, 0, None, truncated, rows_bytes=budget.rows_bytes)
    # Whatever changes no rows itself leaves sqlite3_changes() as an earlier statement set it.
    changed = changes.total() if changes and plan.changes else 0
    rowid = connection.last_insert_rowid() if plan.inserts and changed else 0
    return Result(
        columns, rows, count, changed, rowid or None, truncated, rows_bytes=budget.rows_bytes
    )


def _told(error: SqlatchError, session: Session) -> SqlatchError:
    """Return the error, or another one for a table without another AUTOINCREMENT id.

    SQLite calls such a table full, as it calls a disk.
    """
    if error.facts.get("sqlite_code") != "SQLITE_FULL" or not _has_used_the_last_id(session):
        return error
    return StatementError(
        f"a table has used its last AUTOINCREMENT id, {INTEGER_MAX}:"
        " give new rows an id that is free, or give the row of the last id another one and"
        " lower `seq` in sqlite_sequence",
        **error.facts,
    )


def _has_used_the_last_id(session: Session) -> bool:
    # The failure has rolled the transaction back, and with it an INSERT of the last id in it.
    return session.connection.last_insert_rowid() == INTEGER_MAX or bool(
        session.run("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'")
        and session.run("SELECT 1 FROM sqlite_sequence WHERE seq = ?", INTEGER_MAX)
    )


class _Changes:
    """The rows that a statement changes itself, those of triggers and cascades not counted."""

    def __init__(self, connection: SQLite) -> None:
        self._connection = connection
        self._sum = 0
        self.set_number = 0

    def between(self, parameter_sets: Sequence[Parameters]) -> Iterator[Parameters]:
        """Hand out the sets: whenever the next is asked for, the last one has run."""
        changes = self._connection.changes
        for number, parameters in enumerate(parameter_sets):
            if number:
                self._sum += changes()
            self.set_number = number
            yield parameters

    def total(self) -> int:
        return self._sum + self._connection.changes()


class Outlet(Protocol):
    """The way that rows leave by: into the reply, within its budget, or into a file."""

    rows_bytes: int

    def fetch(self, cursor: Cursor, columns: tuple[str, ...]) -> tuple[list[Any], int, bool]: ...
    def spend_names(self, names: tuple[str, ...]) -> None: ...


class Budget:
    """The rows of each statement and the bytes of all that a request may still return."""

    def __init__(self, limits: Limits, encode_rows: EncodeRows) -> None:
        self._limits = limits
        self._encode_rows = encode_rows
        self._bytes = limits.bytes_spent
        self.rows_bytes = 0
        """Of the rows of the last statement, as they are sent."""

    def fetch(self, cursor: Cursor, columns: tuple[str, ...]) -> tuple[list[Any], int, bool]:
        """The rows as they are sent, how many they are, and whether some were left out."""
        rows: list[Any] = []
        count = self.rows_bytes = 0
        if columns:
            self.spend_names(columns)
        limits = self._limits
        stop_at = limits.truncate_rows
        if limits.is_page:
            stop_at = min(limits.rows_max, stop_at or limits.rows_max)
        at_once = ROWS_AT_ONCE_FIRST
        next(islice(cursor, limits.rows_passed, limits.rows_passed), None)
        while chunk := list(islice(cursor, at_once)):
            truncated = stop_at is not None and count + len(chunk) > stop_at
            if truncated:
                del chunk[(stop_at or 0) - count :]
            sent, size_bytes = self._encode_rows(columns, chunk)
            left_bytes = limits.bytes_max - self._bytes
            while limits.is_page and size_bytes > left_bytes and (count or len(chunk) > 1):
                truncated = True
                del chunk[len(chunk) // 2 :]
                if not chunk:
                    return rows, count, True
                sent, size_bytes = self._encode_rows(columns, chunk)
            rows += sent
            count += len(chunk)
            self._bytes += size_bytes
            self.rows_bytes += size_bytes
            if count > limits.rows_max or size_bytes > left_bytes:
                raise self._too_large(count)
            if truncated:
                return rows, count, True
            at_once = 1 if size_bytes > CHUNK_BYTES_MAX else min(2 * at_once, ROWS_AT_ONCE_MAX)
        return rows, count, False

    def spend_names(self, names: tuple[str, ...]) -> None:
        """A thousand results name their columns a thousand times: as much as a row of texts."""
        self._bytes += self._encode_rows(names, [names])[1]
        if self._bytes > self._limits.bytes_max:
            raise self._too_large(0)

    def _too_large(self, rows: int) -> ResultTooLarge:
        limits = self._limits
        what = f"{limits.rows_max:,} rows"
        if rows <= limits.rows_max:
            what = f"{limits.bytes_max:,} bytes"
        return ResultTooLarge(
            f"the result passed its limit after {rows:,} rows and {self._bytes:,} bytes: the"
            f" limit is {what}; {limits.all_rows_with}",
            rows=rows,
            bytes=self._bytes,
            rows_max=limits.rows_max,
            bytes_max=limits.bytes_max,
        )
