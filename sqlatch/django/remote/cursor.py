"""The cursor: Django's placeholders, values as SQLite stores them, rows by their declared types."""

import datetime
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import tee
from typing import Any, Self

from django.db.backends.sqlite3.base import SQLiteCursorWrapper
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
"""What Django registers with sqlite3, by the first word of the declared type."""


class Cursor(dbapi.Cursor):
    """What Django gets: `%s` and `%(name)s` in SQL."""

    convert_query = SQLiteCursorWrapper.convert_query

    def execute(self, operation: str, parameters: Any = None) -> Self:
        if parameters is None:
            super().execute(operation)
        else:
            names = list(parameters) if isinstance(parameters, Mapping) else None
            super().execute(
                self.convert_query(operation, param_names=names), _adapted(parameters)
            )
        if self._rows is not None and self.description is not None:
            self._rows = _converted(self._rows, [column[1] for column in self.description])
        return self

    def executemany(self, operation: str, seq_of_parameters: Iterable[Any]) -> Self:
        first, sets = tee(seq_of_parameters)
        names = next((list(one) if isinstance(one, Mapping) else None for one in first), None)
        return super().executemany(
            self.convert_query(operation, param_names=names), map(_adapted, sets)
        )


def _adapted(parameters: Any) -> Any:
    if isinstance(parameters, Mapping):
        return {name: _value(value) for name, value in parameters.items()}
    return [_value(value) for value in parameters]


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return value


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
