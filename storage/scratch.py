"""An empty database in memory: a first write is rehearsed in it, so that one that fails makes no
database."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import apsw

from storage.connection import Session
from storage.engine import Position, Table, WriteTransaction
from storage.pins import Pins


class Scratch:
    """A database of one connection. Nothing of it lasts."""

    def __init__(
        self,
        name: str,
        *,
        table: Table,
        now: Callable[[], float],
        deadline_s: float,
        pins: Pins | None = None,
    ) -> None:
        self.connection = Session(
            name,
            ":memory:",
            flags=apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_MEMORY,
            now=now,
            deadline_s=deadline_s,
            pins=pins,
        )
        self.connection.run(table.sql)

    @contextmanager
    def write(self) -> Iterator[WriteTransaction]:
        """Begin a transaction, as `Store.write` does."""
        with self.connection.transaction("BEGIN IMMEDIATE"):
            yield self

    def commit(self) -> Position:
        """Commit the transaction that is open: deferred constraints are checked now."""
        self.connection.finish("COMMIT")
        return Position(0)

    def close(self) -> None:
        """Close the connection, and with it forget the database."""
        self.connection.close()
