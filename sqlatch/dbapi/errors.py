"""PEP 249's exceptions, and which of them stands for what the service says.

Error
  InterfaceError
  DatabaseError
    DataError  OperationalError  IntegrityError  InternalError  ProgrammingError  NotSupportedError
"""

from sqlatch.errors import SqlatchError


class Warning(Exception):
    """Never raised here."""


class Error(Exception):
    """Any failure; `sqlite_errorname` is SQLite's code where it has one, or the service's.

    `__cause__` is the client's own error where there is one, with its `code` and `retryable`.
    """

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.sqlite_errorname = code


class InterfaceError(Error):
    """A connection or cursor used as it cannot be."""


class DatabaseError(Error):
    """An error of the database."""


class DataError(DatabaseError):
    """A value past what there is room for."""


class OperationalError(DatabaseError):
    """The operation failed: busy, timeout, no such table, no connection."""


class IntegrityError(DatabaseError):
    """A constraint does not hold."""


class InternalError(DatabaseError):
    """The database is malformed."""


class ProgrammingError(DatabaseError):
    """Used wrongly: closed, or with parameters that do not fit."""


class NotSupportedError(DatabaseError):
    """Refused by the service on principle."""


_BY_CODE: dict[str, type[DatabaseError]] = {
    "SQLITE_CONSTRAINT": IntegrityError,
    "SQLITE_MISMATCH": IntegrityError,
    "SQLITE_TOOBIG": DataError,
    "SQLITE_RANGE": DataError,
    "RESPONSE_TOO_LARGE": DataError,
    "SQLITE_CORRUPT": InternalError,
    "SQLITE_NOTADB": InternalError,
    "ARGS_INVALID": ProgrammingError,
    "SQL_MANY_STATEMENTS": ProgrammingError,
    "SQL_NO_STATEMENT": ProgrammingError,
    "BLOCKED": NotSupportedError,
}


def error_of(message: str, code: str) -> DatabaseError:
    """The exception for a statement that was refused."""
    return _BY_CODE.get(code, OperationalError)(message, code)


def failure_of(error: SqlatchError) -> DatabaseError:
    """The exception for a request that was refused, or had no answer."""
    code = str(error.facts.get("refusal") or error.code)
    kind = ProgrammingError if code == "BAD_EVENT" else OperationalError
    return kind(error.message, code)
