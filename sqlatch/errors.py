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
  Timeout                 TIMEOUT
  LeaseBusy               LEASE_BUSY
  LeaseLost               LEASE_LOST
  DatabaseBusy            DATABASE_BUSY
  StorageError            STORAGE_ERROR
  DatabaseCorrupt         DATABASE_CORRUPT
"""

from typing import ClassVar

Fact = str | int | float | bool | None


class SqlatchError(Exception):
    """A refusal: `code` names it, `retryable` says whether the same request may succeed later.

    Facts are given as keywords, are attributes of the error, and stand in `body()`.
    """

    code: ClassVar[str]
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **facts: Fact) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts

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


class BadEvent(SqlatchError):
    """Not a valid event; says which field and why."""

    code = "BAD_EVENT"


class StatementError(SqlatchError):
    """SQLite refused the statement: syntax, missing table, wrong parameters."""

    code = "STATEMENT_ERROR"


class Constraint(SqlatchError):
    """UNIQUE, NOT NULL, CHECK or FOREIGN KEY; `sqlite_code` says which."""

    code = "CONSTRAINT"


class ForbiddenStatement(SqlatchError):
    """ATTACH, transaction control, load_extension, VACUUM INTO, a PRAGMA not listed, our tables."""

    code = "FORBIDDEN_STATEMENT"


class ReadOnly(SqlatchError):
    """A write where only reads are allowed."""

    code = "READ_ONLY"


class Unauthorized(SqlatchError):
    """A token that is missing or bad."""

    code = "UNAUTHORIZED"


class DatabaseNotFound(SqlatchError):
    """A read of a database that does not exist."""

    code = "DATABASE_NOT_FOUND"


class IdempotencyConflict(SqlatchError):
    """The idempotency key was used for another request."""

    code = "IDEMPOTENCY_CONFLICT"


class ResultTooLarge(SqlatchError):
    """The result passed the limit of rows or bytes; says how far it got."""

    code = "RESULT_TOO_LARGE"


class Timeout(SqlatchError):
    """The deadline passed; nothing was written."""

    code = "TIMEOUT"


class LeaseBusy(SqlatchError):
    """Somebody else held the lease until the deadline; says who and until when."""

    code = "LEASE_BUSY"
    retryable = True


class LeaseLost(SqlatchError):
    """The lease ran out before the commit; nothing was written."""

    code = "LEASE_LOST"
    retryable = True


class DatabaseBusy(SqlatchError):
    """SQLite's own lock was not had in time."""

    code = "DATABASE_BUSY"
    retryable = True


class StorageError(SqlatchError):
    """Directory, disk or lease table unreachable or full."""

    code = "STORAGE_ERROR"
    retryable = True


class DatabaseCorrupt(SqlatchError):
    """SQLite says that the file is malformed, or is no database."""

    code = "DATABASE_CORRUPT"
