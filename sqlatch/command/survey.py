"""A file looked at from end to end before any of it is sent: a bad line, and nothing is loaded."""

from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

from sqlatch.command.kinds import (
    Kind,
    Shape,
    converted,
    kind_for_texts,
    kind_for_types,
    shape_of,
)
from sqlatch.command.source import BadLine, Csv, Line, Source
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
    if isinstance(source, Csv):
        shapes: list[set[Shape]] = [set() for _ in columns]
        for line in source.lines(columns):
            for number, value in enumerate(line.values):
                if value is not None and Shape.TEXT not in shapes[number]:
                    shapes[number].add(shape_of(str(value)))
        return list(map(kind_for_texts, shapes))
    types: list[set[type]] = [set() for _ in columns]
    for line in source.lines(columns):
        for number, value in enumerate(line.values):
            if value is not None:
                types[number].add(type(value))
    return list(map(kind_for_types, types))


def survey(source: Source, columns: list[str], kinds: list[Kind], spread: Spread) -> Survey:
    """Read all of the file; BadLine names the first line that cannot be loaded."""
    rows = [0] * spread.databases
    for line in read(source, columns, kinds):
        for database in range(spread.databases):
            rows[database] += spread.takes(line.values, database)
    return Survey(columns, kinds, rows)


def read(source: Source, columns: list[str], kinds: list[Kind]) -> Iterator[Line]:
    """The rows with their values as the columns take them."""
    from_text = isinstance(source, Csv)
    for line in source.lines(columns):
        for number, value in enumerate(line.values):
            try:
                line.values[number] = converted(value, kinds[number], from_text=from_text)
            except ValueError as error:
                raise BadLine(line.number, f"column {columns[number]!r}: {error}") from error
        yield line
