"""The cursor: Django's placeholders, values as SQLite stores them, rows by their declared types."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Any, Self

from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from sqlatch import dbapi

Convert = Callable[[Any], Any]

_CONVERTERS: dict[str, Convert] = {
    "bool": lambda value: str(value) == "1",
    "date": lambda value: parse_date(str(value)),
    "time": lambda value: parse_time(str(value)),
    "datetime": lambda value: parse_datetime(str(value)),
    "timestamp": lambda value: parse_datetime(str(value)),
}
"""The converters that Django registers with sqlite3, by the first word of the declared type."""


class Cursor(dbapi.Cursor):
    """The cursor for Django: `%s` and `%(name)s` in SQL."""

    def execute(self, operation: str, parameters: Any = None) -> Self:
        if parameters is None:
            super().execute(operation)
        else:
            query, names = _in_qmarks(operation, parameters)
            super().execute(query, _values(parameters, names))
        if self._rows is not None and self.description is not None:
            self._rows = _converted(self._rows, [column[1] for column in self.description])
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Any]) -> Self:
        given = iter(seq_of_parameters)
        first = next(given, ())
        query, names = _in_qmarks(operation, first)
        sets = chain([first] if first else [], given)
        return super().executemany(query, (_values(one, names) for one in sets))


class _Names(list[str]):
    """Collects the names of a format in their order, and stands for each with a `?`."""

    def __getitem__(self, name: Any) -> Any:
        self.append(name)
        return "?"


def _in_qmarks(operation: str, parameters: Any) -> tuple[str, list[str] | None]:
    """The SQL with `?` for each value, and the names of those if they are named."""
    if not isinstance(parameters, Mapping):
        return FORMAT_QMARK_REGEX.sub("?", operation).replace("%%", "%"), None
    names = _Names()
    return operation % names, list(names)


def _values(parameters: Any, names: list[str] | None) -> list[Any]:
    ordered = parameters if names is None else [parameters[name] for name in names]
    return [str(value) if isinstance(value, Decimal) else value for value in ordered]


def _converted(rows: Iterator[Any], declared: list[str | None]) -> Iterator[Any]:
    converters = [_converter(one) for one in declared]
    if not any(converters):
        return rows
    return (
        tuple(
            value if convert is None or value is None else convert(value)
            for value, convert in zip(row, converters, strict=True)
        )
        for row in rows
    )


def _converter(declared: str | None) -> Convert | None:
    words = (declared or "").replace("(", " ").split()
    return _CONVERTERS.get(words[0].lower()) if words else None
