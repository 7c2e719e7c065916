"""Every way in which a request can be refused: one class for each code, for service and caller.

SqlatchError
  BadEvent                BAD_EVENT
  StatementError          STATEMENT_ERROR
  Constraint              CONSTRAINT
  ForbiddenStatement      FORBIDDEN_STATEMENT
  ReadOnly                READ_ONLY
  Unauthorized            UNAUTHORIZED
  DatabaseNotFound        DATABASE_NOT_FOUND
  IdempotencyConflict     IDEMPOTENCY_CONFLICT
  ResultTooLarge          RESULT_TOO_LARGE
  DatabaseChanged         DATABASE_CHANGED
  Timeout                 TIMEOUT
  LeaseBusy               LEASE_BUSY
  LeaseLost               LEASE_LOST
  DatabaseBusy            DATABASE_BUSY
  StorageError            STORAGE_ERROR
  DatabaseCorrupt         DATABASE_CORRUPT
  LeaderUnreachable       LEADER_UNREACHABLE
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

Fact = str | int | float | bool | None


class SqlatchError(Exception):
    """A refusal: `code` names it, `retryable` says whether the same request may succeed later.

    Facts are given as keywords, are attributes of the error, and stand in `body()`. The attributes
    declared are those that an error may have: one that it has not raises AttributeError.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False

    outcome: str
    """`nothing` was written, or it is `unknown` whether it was."""
    statement: int
    parameter_set: int
    """The statement or the parameter set that failed, counted from 0."""
    row: int
    rows_loaded: int
    """Of a load: at which row it stopped, and what was loaded before."""
    sqlite_code: str

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        self.hint = ""

    def add_hint(self, hint: str) -> None:
        """Put a hint behind the message: what was probably meant, which is no part of the error."""
        self.hint = hint
        self.message += hint
        self.args = (self.message,)

    if not TYPE_CHECKING:  # which would take any name for a fact

        def __getattr__(self, name: str) -> Fact:
            facts: dict[str, Fact] = self.__dict__.get("facts", {})
            if name not in facts:
                raise AttributeError(name)
            return facts[name]

    def body(self) -> dict[str, Fact]:
        """The error as callers read it: code, message, retryable, then the facts."""
        return {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            **self.facts,
        }

    def text(self) -> str:
        """The error on one line, where only a text travels: the message, then the rest as JSON."""
        body = self.body()
        del body["message"]
        return f"{self.message} {json.dumps(body)}"

    def told(self) -> "SqlatchError":
        """Return the error for a caller who gets nothing but the name of its class and its text.

        The class is that of its code: the service's own subclasses are no part of the contract.
        """
        kind = next((kind for kind in kinds() if isinstance(self, kind)), type(self))
        told = kind(self.message, **self.facts).with_traceback(self.__traceback__)
        told.args = (self.text(),)
        return told


class BadEvent(SqlatchError):
    """Not a valid event; says which field and why."""

    code = "BAD_EVENT"

    field: str | None
    refusal: str


class StatementError(SqlatchError):
    """SQLite refused the statement: syntax, missing table, wrong parameters."""

    code = "STATEMENT_ERROR"

    offset: int


class Constraint(SqlatchError):
    """UNIQUE, NOT NULL, CHECK or FOREIGN KEY; `sqlite_code` says which."""

    code = "CONSTRAINT"


class ForbiddenStatement(SqlatchError):
    """ATTACH, transaction control, load_extension, VACUUM INTO, a PRAGMA not listed, our tables."""

    code = "FORBIDDEN_STATEMENT"


class ReadOnly(SqlatchError):
    """A write where only reads are allowed."""

    code = "READ_ONLY"

    @classmethod
    def of_statement(cls) -> "ReadOnly":
        return cls(
            "the statement writes, and only reads are allowed here: send it without read_only, not"
            " to /read, with a token that may write, to a function without SQLATCH_READ_ONLY"
        )

    @classmethod
    def of_the_past(cls) -> "ReadOnly":
        return cls("the statement writes, and the past can only be read: send it without `at`")


class Unauthorized(SqlatchError):
    """A token that is missing or bad."""

    code = "UNAUTHORIZED"


class DatabaseNotFound(SqlatchError):
    """A read of a database that does not exist."""

    code = "DATABASE_NOT_FOUND"

    database: str


class IdempotencyConflict(SqlatchError):
    """The idempotency key was used for another request."""

    code = "IDEMPOTENCY_CONFLICT"


class ResultTooLarge(SqlatchError):
    """The result passed the limit of rows or bytes; says how far it got, and the next step."""

    code = "RESULT_TOO_LARGE"

    rows: int
    rows_max: int
    bytes: int
    bytes_max: int


class DatabaseChanged(SqlatchError):
    """The database has changed since the page before was read; says how many rows were."""

    code = "DATABASE_CHANGED"

    rows: int


class Timeout(SqlatchError):
    """The deadline passed; nothing was written."""

    code = "TIMEOUT"

    at_least: str
    position: str
    """The position that was waited for, and the one that was reached."""


class LeaseBusy(SqlatchError):
    """Another request held the lease until the deadline; says which and until when."""

    code = "LEASE_BUSY"
    retryable = True

    holder: str
    expires_at: float
    waited_ms: float


class LeaseLost(SqlatchError):
    """The lease ran out before the commit; nothing was written."""

    code = "LEASE_LOST"
    retryable = True

    expired_at: float
    late_s: float


class DatabaseBusy(SqlatchError):
    """Could not get SQLite's file lock before the deadline."""

    code = "DATABASE_BUSY"
    retryable = True


class StorageError(SqlatchError):
    """Directory, disk, lease table or bucket unreachable or full."""

    code = "STORAGE_ERROR"
    retryable = True

    errno: int | None
    table: str
    aws_code: str
    waited_ms: float


class DatabaseCorrupt(SqlatchError):
    """SQLite says that the file is malformed, or is no database."""

    code = "DATABASE_CORRUPT"


class LeaderUnreachable(SqlatchError):
    """The node that writes, or has the newest state, does not answer; says which."""

    code = "LEADER_UNREACHABLE"
    retryable = True

    leader: str


def kinds() -> list[type[SqlatchError]]:
    """The class of each code, in their order above."""
    return [each for each in SqlatchError.__subclasses__() if each.__module__ == __name__]


def error_of(body: Mapping[str, Any]) -> SqlatchError | None:
    """The error that a body is of; None if it is the body of none."""
    facts = {name: fact for name, fact in body.items() if name not in ("code", "message")}
    facts.pop("retryable", None)
    for each in kinds():
        if each.code == body.get("code"):
            return each(str(body.get("message", "")), **facts)
    return None


def error_of_text(text: str) -> SqlatchError | None:
    """The error that `text()` is of; None if it is no such text."""
    message, start, rest = text.rpartition(' {"code": "')
    try:
        body = json.loads(start + rest) if start else None
    except ValueError:
        return None
    return error_of({**body, "message": message}) if isinstance(body, dict) else None
