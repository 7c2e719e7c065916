"""The cursors: each statement goes by way of its connection, which may have to take the lease."""

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

from django.db.backends.sqlite3.base import SQLiteCursorWrapper

from sqlatch.django.handle import Handle

if TYPE_CHECKING:
    from sqlatch.django.connection import Connection


class Cursor(sqlite3.Cursor):
    """A cursor of a Connection. Rows of a statement that has been committed are kept in it."""

    _kept: deque[Any] | None = None

    @property
    def connection(self) -> Handle:  # type: ignore[override]
        return Handle(self._leased)

    @property
    def _leased(self) -> "Connection":
        connection: Connection = sqlite3.Cursor.connection.__get__(self)
        return connection

    def execute(self, sql: str, values: Any = None) -> Self:
        arguments = (sql,) if values is None else (sql, values)
        self._kept = None

        def action() -> None:
            super(Cursor, self).execute(*arguments)

        self._leased.run(self, action, sql, has_values=bool(values))
        return self

    def executemany(self, sql: str, value_sets: Iterable[Any]) -> Self:
        # A list: the statement may be begun a second time, under the lease.
        sets = list(value_sets)
        self._kept = None

        def action() -> None:
            super(Cursor, self).executemany(sql, sets)

        self._leased.run(self, action, sql, has_values=True)
        return self

    def executescript(self, script: str) -> Self:
        """Statement by statement; unlike sqlite3's, it does not commit an open transaction."""
        for statement in statements(script):
            self.execute(statement)
        return self

    def keep_rows(self) -> None:
        """Fetch what is left of the rows, so that the statement has ended."""
        if self.description is not None:
            self._kept = deque(super().fetchall())

    def fetchone(self) -> Any:
        if self._kept is None:
            return super().fetchone()
        return self._kept.popleft() if self._kept else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        count = self.arraysize if size is None else size
        if self._kept is None:
            return super().fetchmany(count)
        return [self._kept.popleft() for _ in range(min(count, len(self._kept)))]

    def fetchall(self) -> list[Any]:
        if self._kept is None:
            return super().fetchall()
        rows, self._kept = list(self._kept), deque()
        return rows

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        if self._kept is None:
            return super().__next__()
        if not self._kept:
            raise StopIteration
        return self._kept.popleft()


class PlainCursor(Cursor):
    """The cursor of the connection itself: with SQLite's own placeholders."""


class DjangoCursor(Cursor, SQLiteCursorWrapper):
    """The cursor for Django: with its placeholders, `%s`."""


def statements(script: str) -> Iterator[str]:
    """The statements of a script; SQLite says where one is complete."""
    statement = ""
    for piece in script.split(";"):
        statement += piece + ";"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip("; \t\r\n"):
        yield statement.removesuffix(";")
