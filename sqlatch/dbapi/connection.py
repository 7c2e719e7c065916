"""A connection: one database, and at most one transaction at a time."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import sqlatch.client
from sqlatch.client import FIRST_PAGE, Client
from sqlatch.dbapi import errors
from sqlatch.dbapi.cursor import Cursor
from sqlatch.dbapi.errors import Error, ProgrammingError
from sqlatch.dbapi.stream import Answer, Parameters, Sent, Stream, stmt_of, stmts_of
from sqlatch.dbapi.words import READS, word_of

PART_BYTES_MAX = 3 * 1024 * 1024
"""Of a statement with many sets of values, what is sent at once."""

MARK_S_MAX = 10.0
"""Older than that a mark is renewed when it is gone back to: at 60 s the service forgets it."""

_COMMITS = frozenset({"COMMIT", "END", "RELEASE"})
_NOT_COMMITTED = frozenset({"SQLITE_BUSY", "SQLITE_CONSTRAINT", "SQLITE_INTERRUPT"})
"""A COMMIT that failed so was not applied. After any other error it may have been."""


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
    asks nobody. The service ends one that is idle for a minute. A statement may end it too: COMMIT,
    or a failure that SQLite rolls back.

    After fork() the child goes on with a stream of its own. A transaction that was open is its
    parent's.
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
        self._process = os.getpid()
        self._has_written = False
        self._transactions = 0
        self._baton_before: str | None = None
        self._setting: Sent | None = None
        self._asked_at_s = time.monotonic()

    @property
    def autocommit(self) -> bool:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if value and self.in_transaction:
            self.commit()
        self._autocommit = value

    @property
    def in_transaction(self) -> bool:
        """True if a transaction is open, as the service said last."""
        return self._stream.in_transaction

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
        """Commit; OperationalError if another writer has changed what the transaction read."""
        self._check_open()
        if not self.in_transaction:
            return
        if self._has_written:
            self._run(stmt_of("COMMIT"), word="COMMIT")
        else:
            self._check_process()
            self._forget()

    def rollback(self) -> None:
        """Roll back, by forgetting the transaction."""
        self._check_open()
        if self.in_transaction:
            self._forget()

    def mark(self) -> Mark:
        """Return the place where the transaction stands, or a mark before its beginning."""
        self._check_open()
        return Mark(self._stream.baton, self.in_transaction, self._has_written, self._asked_at_s)

    def go_back(self, mark: Mark) -> None:
        """Roll back to a mark of this transaction, by forgetting what came after it.

        Unlike with a savepoint, what was read since is forgotten too: it may change before the
        commit. So this is for what stands for a whole transaction, as in tests.
        """
        self._check_open()
        if not mark.in_transaction:
            self.rollback()
            return
        self._check_process()
        self._stream.move_to(mark.baton, in_transaction=True)
        self._has_written = mark.has_written
        self._asked_at_s = mark.at_s
        if time.monotonic() - mark.at_s > MARK_S_MAX:
            self._asked_at_s = time.monotonic()
            self._stream.run()

    def close(self) -> None:
        """Close it; what was not committed is rolled back."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def run(self, operation: str, parameters: Parameters, page: str = FIRST_PAGE) -> Answer:
        """Run a statement and return its answer: of one that reads, a page of its rows."""
        word = word_of(operation)
        stmt = {**stmt_of(operation, parameters), "page": page}
        answer = self._run(stmt, word=word)
        if (
            word == "PRAGMA"
            and "foreign_keys" in operation.lower()
            and not (answer.columns or self.in_transaction)
        ):
            self._setting = stmt
        return answer

    @property
    def position(self) -> str | None:
        """The state that the last request has seen or made; None if the service did not say."""
        return self._stream.position

    @property
    def at_least(self) -> str | None:
        """The position that the state of every further request must have reached, over HTTP."""
        return self._stream.at_least

    @at_least.setter
    def at_least(self, position: str | None) -> None:
        self._stream.at_least = position

    @property
    def transaction_number(self) -> int | None:
        """A number that the open transaction alone has; None if none is open."""
        return self._transactions if self.in_transaction else None

    def run_many(self, operation: str, sets: Iterator[Parameters]) -> int:
        """Run a statement for each set of values; how many rows it changed in all."""
        self._check_open()
        assert self._client is not None
        size_bytes = self._client.transport.size_bytes
        changed = 0
        for stmt in stmts_of(operation, sets, size_bytes=size_bytes, bytes_max=PART_BYTES_MAX):
            answer = self._run(stmt, word=word_of(operation))
            if answer.columns:
                raise ProgrammingError("executemany() cannot return rows: use execute()")
            changed += answer.rows_affected
        return changed

    def run_script(self, script: str) -> None:
        """Run the statements of a script up to the first that fails, in one request."""
        self._run(script, word=word_of(script))

    def _run(self, sent: Sent, *, word: str) -> Answer:
        """Run it in the transaction that is open, or that it begins."""
        self._check_open()
        self._check_process()
        self._asked_at_s = time.monotonic()
        requests = [sent]
        if not self.in_transaction:
            self._baton_before = self._stream.baton
            self._has_written = False
            self._transactions += 1
            if not self._autocommit and word != "BEGIN":
                requests.insert(0, stmt_of("BEGIN"))
            if self._stream.baton is None and self._setting is not None:
                requests.insert(0, self._setting)
        try:
            answers = self._stream.run(*requests)
        except BaseException:
            # It may have been committed, also where it was interrupted or cancelled: what comes
            # next is told apart from it by another stream.
            self._baton_before = None
            if not self.in_transaction:
                self._stream.baton = None
            raise
        self._has_written |= isinstance(sent, str) or word not in READS
        refusal = next((answer for answer in answers if isinstance(answer, Error)), None)
        if isinstance(sent, str) or (refusal is not None and _may_be_committed(word, refusal)):
            # A script can commit and begin again: where its last transaction began is not known.
            self._baton_before = None
        if refusal is not None:
            raise refusal
        assert isinstance(answers[-1], Answer)
        return answers[-1]

    def _forget(self) -> None:
        is_here = self._process == os.getpid()
        self._stream.move_to(self._baton_before if is_here else None, in_transaction=False)

    def _check_process(self) -> None:
        """In another process go on with another stream: on one, each takes the other's turns."""
        if self._process == os.getpid():
            return
        if self.in_transaction:
            raise ProgrammingError(
                "the transaction was begun before fork(), and the parent may commit it: roll back,"
                " then begin another"
            )
        self._process = os.getpid()
        self._stream.move_to(None, in_transaction=False)

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


def _may_be_committed(word: str, refusal: Error) -> bool:
    return word in _COMMITS and refusal.sqlite_errorname not in _NOT_COMMITTED


def connect(url: str, *, autocommit: bool = False, **options: Any) -> Connection:
    """A connection to the database that a URL names; `options` as for `sqlatch.connect`."""
    try:
        client = sqlatch.client.connect(url, **options)
    except sqlatch.errors.SqlatchError as error:
        raise errors.failure_of(error) from error
    return Connection(client, autocommit=autocommit)
