"""apsw's errors in the contract's words: the one place where they are translated."""

import re
from collections.abc import Callable

import apsw

from sqlatch.kernel.errors import (
    Constraint,
    DatabaseBusy,
    DatabaseCorrupt,
    Fact,
    ForbiddenStatement,
    StatementError,
    StorageError,
    Timeout,
)

DEADLINE_PASSED = (
    "the deadline passed; nothing was written: give it more time with timeout_ms or"
    " SQLATCH_TIMEOUT_MS, or less to do"
)


class RecoveryNeeded(Exception):
    """The database must be made readable under a grant before it can be read.

    A writer was killed in its commit, or another program made the database or used it last.
    """


class Overtaken(DatabaseBusy):
    """Another commit was first, and nothing was written: run the request again."""


class DatabaseReplaced(Exception):
    """The database was replaced or removed since it was opened, or does not exist."""


class NeedsMemory(StatementError):
    """SQLite, or the process, has not the memory for a statement: perhaps others keep too much."""


class NoStatement(StatementError):
    """A text without a statement: empty, or space and comments only."""

    def __init__(self) -> None:
        super().__init__("the statement is empty")


class SeveralStatements(StatementError):
    """A text of more than one statement."""

    def __init__(self) -> None:
        super().__init__("one statement in a query: send several as `statements`")


class UnknownName(StatementError):
    """A statement that names something the schema does not have.

    `kind` is table, column or function. `table` is the one that was to have the column, empty where
    SQLite does not say.
    """

    def __init__(self, message: str, *, kind: str, name: str, table: str, **facts: Fact) -> None:
        super().__init__(message, **facts)
        self.kind = kind
        self.name = name
        self.table = table


class WriteRefused(Exception):
    """A statement that SQLite has called read-only, and refuses where nothing may be written."""


STATEMENT_ERRORS = (
    apsw.SQLError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError, apsw.BindingsError,
    apsw.SchemaChangeError, apsw.NotFoundError,
)  # fmt: skip
STORAGE_ERRORS = (
    apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.PermissionsError, apsw.NoLFSError,
    apsw.EmptyError, apsw.ProtocolError,
)  # fmt: skip
CORRUPT_ERRORS = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
BUSY_ERRORS = (apsw.BusyError, apsw.LockedError)
BUGS = (
    apsw.AbortError, apsw.AuthError, apsw.ConnectionClosedError, apsw.ConnectionNotClosedError,
    apsw.CursorClosedError, apsw.ExecTraceAbort, apsw.ExecutionCompleteError,
    apsw.ExtensionLoadingError, apsw.ForkingViolationError, apsw.IncompleteExecutionError,
    apsw.InternalError, apsw.InvalidContextError, apsw.MisuseError, apsw.NoFTS5Error,
    apsw.ThreadingViolationError, apsw.VFSFileClosedError, apsw.VFSNotImplementedError,
)  # fmt: skip
"""Errors that no request can cause: these propagate."""

_MOVED = frozenset({apsw.SQLITE_READONLY_DBMOVED, apsw.SQLITE_IOERR_FSTAT})
"""The second comes of a file that is gone where SQLite makes a journal for it."""

_NEEDS_RECOVERY = frozenset({
    apsw.SQLITE_READONLY_ROLLBACK, apsw.SQLITE_READONLY_RECOVERY, apsw.SQLITE_READONLY_CANTINIT,
    apsw.SQLITE_READONLY_CANTLOCK,
})  # fmt: skip


FOREIGN_ERRORS = (apsw.Error, UnicodeError, MemoryError)
"""The exceptions that apsw raises, its own and Python's."""


def in_our_words(error: Exception, database: str, *, refusal: str = "") -> Exception:
    """The contract's error for one of apsw's, or that error itself if it is a bug.

    `refusal` is what the policy said, empty if it did not refuse. SQLite has several errors for
    that: SQLITE_AUTH, and SQLITE_ERROR for a function.
    """
    if refusal:
        return ForbiddenStatement(f"not allowed here: {refusal}")
    for classes, translate in _TRANSLATIONS:
        if isinstance(error, classes):
            return translate(error, database)
    return error


def _unicode(error: Exception, _database: str) -> Exception:
    return StatementError(f"a text value is not UTF-8 (CAST it AS BLOB to read it): {error}")


def _memory(_error: Exception, _database: str) -> Exception:
    return NeedsMemory("the statement needs more memory than it is given")


def _read_only(error: Exception, database: str) -> Exception:
    extended = _extended(error)
    if extended in _NEEDS_RECOVERY:
        return RecoveryNeeded(str(error))
    if extended in _MOVED:
        return DatabaseReplaced(str(error))
    if extended == apsw.SQLITE_READONLY:
        return WriteRefused(str(error))
    return _storage(error, database)


def _constraint(error: Exception, _database: str) -> Exception:
    return Constraint(str(error), sqlite_code=sqlite_code(error))


def _timeout(_error: Exception, _database: str) -> Exception:
    return Timeout(DEADLINE_PASSED)


def _busy(error: Exception, database: str) -> Exception:
    return DatabaseBusy(
        f"database {database!r} was locked by another connection until the deadline",
        sqlite_code=sqlite_code(error),
    )


def _corrupt(error: Exception, database: str) -> Exception:
    return DatabaseCorrupt(f"database {database!r}: {error}", sqlite_code=sqlite_code(error))


def _storage(error: Exception, database: str) -> Exception:
    if _extended(error) in _MOVED:
        return DatabaseReplaced(str(error))
    return StorageError(f"database {database!r}: {error}", sqlite_code=sqlite_code(error))


def _statement(error: Exception, _database: str) -> Exception:
    offset = getattr(error, "error_offset", -1)
    message = str(error)
    facts: dict[str, Fact] = {"sqlite_code": sqlite_code(error)}
    if offset >= 0:
        facts["offset"] = offset
    where = f" (at offset {offset})" if offset >= 0 else ""
    # SQLite has no code for an unknown name: its text is all that tells it from other errors.
    unknown = _UNKNOWN.fullmatch(message)
    if unknown is None:
        return StatementError(f"{message}{where}", **facts)
    return UnknownName(
        f"{message}{where}",
        kind=unknown["kind"] or "column",
        name=unknown["name"] or unknown["column"],
        table=unknown["table"] or "",
        **facts,
    )


_UNKNOWN = re.compile(
    r"no such (?P<kind>table|column|function): (?:main\.)?(?P<name>.{1,64})"
    r"|table (?P<table>.{1,64}) has no column named (?P<column>.{1,64})"
)


_TRANSLATIONS: tuple[
    tuple[tuple[type[Exception], ...], Callable[[Exception, str], Exception]], ...
] = (
    ((UnicodeError,), _unicode),
    ((MemoryError, apsw.NoMemError), _memory),
    ((apsw.ReadOnlyError,), _read_only),
    ((apsw.ConstraintError,), _constraint),
    ((apsw.InterruptError,), _timeout),
    (BUSY_ERRORS, _busy),
    (CORRUPT_ERRORS, _corrupt),
    (STORAGE_ERRORS, _storage),
    (STATEMENT_ERRORS, _statement),
)


def moved_meanwhile(error: DatabaseReplaced) -> StorageError:
    """Return the error for a file that was moved again while the request was tried again."""
    return StorageError(f"the database file was replaced or removed meanwhile: {error}")


def sqlite_code(error: Exception) -> str:
    """SQLite's name for the error, the extended one if there is one: SQLITE_CONSTRAINT_UNIQUE."""
    extended = _extended(error)
    name = apsw.mapping_extended_result_codes.get(extended)
    return str(name or apsw.mapping_result_codes.get(extended & 0xFF, "SQLITE_ERROR"))


def _extended(error: Exception) -> int:
    return int(getattr(error, "extendedresult", apsw.SQLITE_ERROR))
