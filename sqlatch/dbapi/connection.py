"""A connection: one database, and at most one transaction at a time."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import sqlatch.client
from sqlatch.client import Client
from sqlatch.dbapi import errors
from sqlatch.dbapi.cursor import Cursor
from sqlatch.dbapi.errors import Error, ProgrammingError
from sqlatch.dbapi.stream import Answer, Parameters, Sent, Stream, stmt_of, stmts_of

_ONLY_READS = re.compile(r"\s*(?:SELECT|VALUES|EXPLAIN)\b", re.IGNORECASE)
"""Of other statements it is not known here whether they write."""

PART_BYTES_MAX = 3 * 1024 * 1024
"""Of a statement with many sets of values, what is sent at once."""

MARK_S_MAX = 10.0
"""Older than that a mark is renewed when it is gone back to: at 60 s the service forgets it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a transaction, or before it; `at_s` is when the service was last asked there."""

    baton: str | None
    in_transaction: bool
    has_written: bool
    at_s: float


class Connection:
    """A connection to a database. Threads may not share it.

    A transaction begins with the first statement, unless `autocommit` is true: then each statement
    is one. It lives in what service and client send each other, so rolling back, or dropping it,
    asks nobody. The service ends one that is idle for a minute.
    """

    Warning = errors.Warning
    Error = errors.Error
    InterfaceError = errors.InterfaceError
    DatabaseError = errors.DatabaseError
    DataError = errors.DataError
    OperationalError = errors.OperationalError
    IntegrityError = errors.IntegrityError
    InternalError = errors.InternalError
    ProgrammingError = errors.ProgrammingError
    NotSupportedError = errors.NotSupportedError

    def __init__(self, client: Client, *, autocommit: bool = False) -> None:
        self._client: Client | None = client
        self._stream = Stream(client)
        self._autocommit = autocommit
        self._in_transaction = False
        self._has_written = False
        self._baton_before: str | None = None
        self._asked_at_s = time.monotonic()

    @property
    def autocommit(self) -> bool:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if value and self._in_transaction:
            self.commit()
        self._autocommit = value

    @property
    def in_transaction(self) -> bool:
        return self._in_transaction

    def cursor(self) -> Cursor:
        self._check_open()
        return Cursor(self)

    def execute(self, operation: str, parameters: Parameters = ()) -> Cursor:
        """Run a statement on a cursor made for it."""
        return self.cursor().execute(operation, parameters)

    def executescript(self, script: str) -> Cursor:
        """Run a script on a cursor made for it."""
        return self.cursor().executescript(script)

    def commit(self) -> None:
        """Commit; OperationalError if somebody else has changed what the transaction read."""
        self._check_open()
        if not self._in_transaction:
            return
        if not self._has_written:
            self._forget()
            return
        try:
            (answer,) = self._stream.run(stmt_of("COMMIT"))
        except Error:
            # It may have been committed: what comes next is told apart from it by another stream.
            self._baton_before = None
            raise
        if isinstance(answer, Error):
            raise answer
        self._in_transaction = False

    def rollback(self) -> None:
        """Roll back, by forgetting the transaction."""
        self._check_open()
        if self._in_transaction:
            self._forget()

    def mark(self) -> Mark:
        """Where the transaction stands, or that there is none yet."""
        self._check_open()
        return Mark(self._stream.baton, self._in_transaction, self._has_written, self._asked_at_s)

    def go_back(self, mark: Mark) -> None:
        """Roll back to a mark of this transaction, by forgetting what came after it.

        Unlike with a savepoint, what was read since is forgotten too: it may change before the
        commit. So this is for what stands for a whole transaction, as in tests.
        """
        self._check_open()
        if not mark.in_transaction:
            self.rollback()
            return
        self._stream.baton = mark.baton
        self._in_transaction, self._has_written = True, mark.has_written
        self._asked_at_s = mark.at_s
        if time.monotonic() - mark.at_s > MARK_S_MAX:
            self._asked_at_s = time.monotonic()
            self._stream.run()

    def close(self) -> None:
        """Close it; what was not committed is rolled back."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def run(self, operation: str, parameters: Parameters) -> Answer:
        """What a statement gives."""
        return self._run(operation, stmt_of(operation, parameters))

    def run_many(self, operation: str, sets: Iterator[Parameters]) -> int:
        """Run a statement for each set of values; how many rows it changed in all."""
        changed = 0
        for stmt in stmts_of(operation, sets, bytes_max=PART_BYTES_MAX):
            answer = self._run(operation, stmt)
            if answer.columns:
                raise ProgrammingError("executemany is for statements that give no rows")
            changed += answer.rows_affected
        return changed

    def run_script(self, script: str) -> None:
        """Run the statements of a script up to the first that fails, in one request."""
        self._run(script, script)

    def _run(self, operation: str, stmt: Sent) -> Answer:
        self._check_open()
        self._asked_at_s = time.monotonic()
        if self._in_transaction:
            answer = self._stream.run(stmt)[-1]
        elif self._autocommit:
            answer = self._run_alone(stmt)
        else:
            before = self._stream.baton
            answer = self._stream.run(stmt_of("BEGIN"), stmt)[-1]
            self._baton_before = before
            self._in_transaction = True
            self._has_written = False
        self._has_written |= not _ONLY_READS.match(operation)
        if isinstance(answer, Error):
            raise answer
        return answer

    def _run_alone(self, stmt: Sent) -> Answer | errors.Error:
        try:
            return self._stream.run(stmt)[-1]
        except Error:
            # It may have been committed: what comes next is told apart from it by another stream.
            self._stream.baton = None
            raise

    def _forget(self) -> None:
        self._stream.baton = self._baton_before
        self._in_transaction = False

    def _check_open(self) -> None:
        if self._client is None:
            raise ProgrammingError("the connection is closed")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Commit, or roll back if an exception ends the block; the connection stays open."""
        if kind is None:
            self.commit()
        else:
            self.rollback()


def connect(url: str, *, autocommit: bool = False, **options: Any) -> Connection:
    """A connection to the database that a URL names; `options` as for `sqlatch.connect`."""
    try:
        client = sqlatch.client.connect(url, **options)
    except sqlatch.errors.SqlatchError as error:
        raise errors.failure_of(error) from error
    return Connection(client, autocommit=autocommit)
