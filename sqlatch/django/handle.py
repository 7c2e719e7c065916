"""The connection as a project gets it: everything but the target of a `backup()`."""

import sqlite3
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from sqlatch.django.connection import Connection


class Handle:
    """Passes everything on to the connection, and is no `sqlite3.Connection` itself.

    SQLite copies a database into another without asking an authorizer, `query_only` or anything of
    ours: a `backup()` into a connection would write without the lease. Python's sqlite3 refuses a
    target that is no connection of its own.
    """

    def __init__(self, connection: "Connection") -> None:
        object.__setattr__(self, "_connection", connection)

    def __getattr__(self, name: str) -> Any:
        return getattr(connection_of(self), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(connection_of(self), name, value)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> Literal[False]:
        return connection_of(self).__exit__(kind, error, trace)

    def deserialize(self, *_arguments: object, **_options: object) -> None:
        raise sqlite3.OperationalError(
            "deserialize() is refused: the connection would be to a copy in memory, and what is"
            " written to that is lost (a new database is made by connecting to a new name)"
        )


def connection_of(handle: Handle) -> "Connection":
    """The connection itself, for this backend alone."""
    connection: Connection = object.__getattribute__(handle, "_connection")
    return connection
