"""Completion of the next word in a statement: tables, columns, words of SQL."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from sqlatch.command.schema import Table, quoted
from sqlatch.errors import SqlatchError

WORDS = (
    "ALTER TABLE", "AND", "AS", "ASC", "BETWEEN", "BY", "CASE", "COUNT", "CREATE INDEX",
    "CREATE TABLE", "CREATE VIEW", "DEFAULT", "DELETE FROM", "DESC", "DISTINCT", "DROP TABLE",
    "ELSE", "END", "EXISTS", "EXPLAIN QUERY PLAN", "FROM", "GROUP BY", "HAVING", "IN",
    "INNER JOIN", "INSERT INTO", "INTEGER", "IS NOT NULL", "IS NULL", "JOIN", "LEFT JOIN", "LIKE",
    "LIMIT", "NOT", "NULL", "OFFSET", "ON", "ON CONFLICT", "OR", "ORDER BY", "PRIMARY KEY",
    "REAL", "REFERENCES", "RETURNING", "SELECT", "SET", "TEXT", "THEN", "UNION", "UNIQUE",
    "UPDATE", "USING", "VALUES", "WHEN", "WHERE", "WITH",
)  # fmt: skip
_RESERVED = frozenset(" ".join(WORDS).split())
COMMANDS = (".again", ".exit", ".help", ".mode", ".quit", ".read", ".schema", ".tables")

_WORD = re.compile(r"[\w.]*$")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*", re.ASCII | re.IGNORECASE)


class SqlCompleter(Completer):
    """Asks for the tables whenever it is asked: others change them too."""

    def __init__(self, tables: Callable[[], Sequence[Table]]) -> None:
        self._tables = tables

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        found = _WORD.search(document.text_before_cursor)
        word = found.group() if found else ""
        begins, _dot, word = word.rpartition(".")
        if document.text.startswith("."):
            return _matching(COMMANDS, document.text_before_cursor)
        try:
            tables = self._tables()
        except SqlatchError:
            # The words of SQL are known without the service.
            tables = []
        if begins:
            return _matching(_columns(tables, begins), word)
        return _matching([*_names(tables), *_columns(tables, None), *WORDS], word)


def _matching(names: Iterable[str], word: str) -> Iterator[Completion]:
    for name in dict.fromkeys(names):
        if name.lower().removeprefix('"').startswith(word.lower()):
            yield Completion(name, start_position=-len(word))


def _names(tables: Sequence[Table]) -> list[str]:
    return [_as_written(table.name) for table in tables if table.kind != "shadow"]


def _columns(tables: Sequence[Table], table: str | None) -> list[str]:
    """Return the columns of a table; of all tables if there is no such table, as for an alias."""
    named = [one for one in tables if table and one.name.lower() == table.lower()]
    return [_as_written(column.name) for one in named or tables for column in one.columns]


def _as_written(name: str) -> str:
    is_plain = _PLAIN.fullmatch(name) and name.upper() not in _RESERVED
    return name if is_plain else quoted(name)
