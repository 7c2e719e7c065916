"""A file looked at from end to end before any of it is sent: a bad line, and nothing is loaded."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

from sqlatch.command.kinds import (
    Kind,
    Shape,
    converted,
    kind_for_texts,
    kind_for_types,
    shape_of,
)
from sqlatch.command.source import BadLine, Line, Source
from sqlatch.kernel.values import Value


@dataclass(frozen=True, slots=True)
class Spread:
    """The distribution of rows over databases: by the value in a column, or all to one."""

    column: int | None
    databases: int

    def takes(self, values: list[Value], database: int) -> bool:
        if self.column is None:
            return True
        return crc32(str(values[self.column]).encode()) % self.databases == database


@dataclass(frozen=True, slots=True)
class Survey:
    """The survey of a file: its columns, their kinds, and the number of rows for each database."""

    columns: list[str]
    kinds: list[Kind]
    rows: list[int]


def guessed_kinds(source: Source, columns: list[str]) -> list[Kind]:
    """Kinds that keep what is in the file as it is; of columns without any value TEXT."""
    texts = [source.is_text(column) for column in columns]
    seen: list[set[Any]] = [set() for _ in columns]
    for line in source.lines(columns):
        for number, value in enumerate(line.values):
            if value is not None and Shape.TEXT not in seen[number]:
                seen[number].add(shape_of(str(value)) if texts[number] else type(value))
    return [
        kind_for_texts(each) if is_text else kind_for_types(each)
        for each, is_text in zip(seen, texts, strict=True)
    ]


def survey(
    source: Source, columns: list[str], kinds: list[Kind], spread: Spread, *, key: Sequence[str]
) -> Survey:
    """Read all of the file; BadLine names the first line that cannot be loaded.

    A row that has no value in a column of the `key` would be none that can be found again.
    """
    rows = [0] * spread.databases
    key_places = [columns.index(name) for name in key]
    for line in read(source, columns, kinds):
        for place in key_places:
            if line.values[place] is None:
                why = f"column {columns[place]!r} is of the key, and has no value"
                raise BadLine(line.number, why, source.counted)
        for database in range(spread.databases):
            rows[database] += spread.takes(line.values, database)
    return Survey(columns, kinds, rows)


def read(source: Source, columns: list[str], kinds: list[Kind]) -> Iterator[Line]:
    """The rows with their values as the columns take them."""
    from_text = [source.is_text(column) for column in columns]
    for line in source.lines(columns):
        for number, value in enumerate(line.values):
            try:
                line.values[number] = converted(value, kinds[number], from_text=from_text[number])
            except ValueError as error:
                raise BadLine(
                    line.number, f"column {columns[number]!r}: {error}", source.counted
                ) from error
        yield line
