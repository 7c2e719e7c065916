"""DB-API 2.0 (PEP 249) over either transport: transactions that hold no lock while you think.

A transaction begins with its first statement, a read too, and is serializable: if another client
has changed what it read, a statement or the commit raises OperationalError, and it is to be rolled
back and run again.
"""

from sqlatch.dbapi.connection import Connection, Mark, connect
from sqlatch.dbapi.cursor import Cursor
from sqlatch.dbapi.errors import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,
)
from sqlatch.dbapi.types import (
    BINARY,
    DATETIME,
    NUMBER,
    ROWID,
    STRING,
    Binary,
    Date,
    DateFromTicks,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
)

apilevel = "2.0"
threadsafety = 1
paramstyle = "qmark"
"""`?` with a sequence; a mapping goes with `:name`, `@name` and `$name`."""

sqlite_version_info = (3, 54, 1)
sqlite_version = "3.54.1"
"""The least that a service of this version executes with."""

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "Mark",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "sqlite_version",
    "sqlite_version_info",
    "threadsafety",
]
