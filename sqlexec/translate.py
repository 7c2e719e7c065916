"""apsw's errors in the contract's words: the one place where they are translated."""

import apsw

from sqlatch.errors import (
    Constraint,
    DatabaseBusy,
    DatabaseCorrupt,
    ForbiddenStatement,
    SqlatchError,
    StatementError,
    StorageError,
    Timeout,
)


class RecoveryNeeded(Exception):
    """The database must be opened for writing, under the lease, before it can be read.

    A killed writer left a hot journal, or there is no journal file yet, or the file is in WAL mode.
    """


class Moved(Exception):
    """The file under an open connection is no longer the one of that name."""


class Writes(Exception):
    """A statement that SQLite calls read-only, and then refuses where nothing may be written."""


STATEMENT_ERRORS = (
    apsw.SQLError, apsw.MismatchError, apsw.RangeError, apsw.TooBigError, apsw.BindingsError,
    apsw.SchemaChangeError, apsw.NoMemError, apsw.NotFoundError,
)  # fmt: skip
STORAGE_ERRORS = (
    apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.PermissionsError, apsw.NoLFSError,
    apsw.EmptyError, apsw.ProtocolError,
)  # fmt: skip
CORRUPT_ERRORS = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)
BUSY_ERRORS = (apsw.BusyError, apsw.LockedError)
BUGS = (
    apsw.AbortError, apsw.ConnectionClosedError, apsw.ConnectionNotClosedError,
    apsw.CursorClosedError, apsw.ExecTraceAbort, apsw.ExecutionCompleteError,
    apsw.ExtensionLoadingError, apsw.ForkingViolationError, apsw.IncompleteExecutionError,
    apsw.InternalError, apsw.InvalidContextError, apsw.MisuseError, apsw.NoFTS5Error,
    apsw.ThreadingViolationError, apsw.VFSFileClosedError, apsw.VFSNotImplementedError,
)  # fmt: skip
"""What no request can cause: these propagate."""

_NEEDS_RECOVERY = frozenset({
    apsw.SQLITE_READONLY_ROLLBACK, apsw.SQLITE_READONLY_RECOVERY, apsw.SQLITE_READONLY_CANTINIT,
    apsw.SQLITE_READONLY_CANTLOCK,
})  # fmt: skip


FOREIGN_ERRORS = (apsw.Error, UnicodeError, MemoryError)
"""What apsw raises, of its own and of Python's."""


def in_our_words(error: Exception, database: str, *, refusal: str) -> Exception:
    """The contract's error for one of apsw's, or that error itself if it is a bug."""
    if isinstance(error, UnicodeError):
        return StatementError(f"a text value is not UTF-8 (CAST it AS BLOB to read it): {error}")
    if isinstance(error, MemoryError):
        return StatementError("the statement needs more memory than the service has")
    if isinstance(error, apsw.ReadOnlyError):
        return _read_only(error, database)
    return _by_class(error, database, refusal)


def _read_only(error: apsw.ReadOnlyError, database: str) -> Exception:
    if error.extendedresult in _NEEDS_RECOVERY:
        return RecoveryNeeded(str(error))
    if error.extendedresult == apsw.SQLITE_READONLY_DBMOVED:
        return Moved(str(error))
    if error.extendedresult == apsw.SQLITE_READONLY:
        return Writes(str(error))
    return _storage_error(error, database)


def _by_class(error: Exception, database: str, refusal: str) -> Exception:
    if isinstance(error, apsw.ConstraintError):
        return Constraint(str(error), sqlite_code=sqlite_code(error))
    if isinstance(error, apsw.AuthError):
        return ForbiddenStatement(f"not allowed here: {refusal or error}")
    if isinstance(error, apsw.InterruptError):
        return Timeout("the deadline passed; nothing was written")
    if isinstance(error, BUSY_ERRORS):
        return DatabaseBusy(
            f"database {database!r} was locked by another connection until the deadline",
            sqlite_code=sqlite_code(error),
        )
    if isinstance(error, CORRUPT_ERRORS):
        return DatabaseCorrupt(f"database {database!r}: {error}", sqlite_code=sqlite_code(error))
    if isinstance(error, STORAGE_ERRORS):
        return _storage_error(error, database)
    if isinstance(error, STATEMENT_ERRORS):
        return _statement_error(error)
    return error


def _statement_error(error: Exception) -> SqlatchError:
    offset = getattr(error, "error_offset", -1)
    if offset < 0:
        return StatementError(str(error), sqlite_code=sqlite_code(error))
    return StatementError(
        f"{error} (at offset {offset})", sqlite_code=sqlite_code(error), offset=offset
    )


def _storage_error(error: Exception, database: str) -> SqlatchError:
    return StorageError(f"database {database!r}: {error}", sqlite_code=sqlite_code(error))


def sqlite_code(error: Exception) -> str:
    """SQLite's name for the error, the extended one where there is one: SQLITE_CONSTRAINT_UNIQUE."""
    extended = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
    names = apsw.mapping_extended_result_codes
    return str(names.get(extended) or apsw.mapping_result_codes.get(extended & 0xFF, "SQLITE_ERROR"))
