"""A file of rows, CSV or JSON lines: its columns, and its rows with the lines they stand on."""

import csv
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Protocol

from sqlatch.command.delimiter import LINES_MAX, Unclear, delimiter_of
from sqlatch.command.packed import BROKEN, Told, opened
from sqlatch.kernel.values import INTEGER_MAX, INTEGER_MIN, Value, special_in

LINE_BYTES_MAX = 5 * 1024 * 1024
"""Of a row: no request takes more."""

COLUMNS_MAX = 2_000
"""Of a table: SQLite's own."""

TOLD_LINES = 1_000
"""After so many lines the reader says how far it is."""

BOM = b"\xef\xbb\xbf"


class BadLine(Exception):
    """A file cannot be read as rows; names the line, from 1, or what else is `counted`."""

    def __init__(self, line: int, reason: str, counted: str = "line") -> None:
        super().__init__(f"{counted} {line}: {reason}")


def untold(_read_bytes: int) -> None:
    """Tell nobody how much was read."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row, its values in the order of the columns, and the line that it begins on."""

    number: int
    values: list[Value]


class Source(Protocol):
    """A file that can be read from its beginning as often as needed."""

    counted: ClassVar[str]
    """The word for the place of a row, with its number: line, or row."""

    @property
    def path(self) -> Path: ...

    def telling(self, told: Told) -> "Source":
        """The same file, whose reader tells how far it is."""

    def columns(self) -> list[str]: ...

    def is_text(self, column: str) -> bool:
        """Return whether the column's numbers are written as texts."""

    def lines(self, columns: list[str]) -> Iterator[Line]: ...


@dataclass(frozen=True, slots=True)
class Csv:
    """Comma-separated values below a line of names. A cell that is `null` is NULL."""

    counted: ClassVar[str] = "line"

    path: Path
    delimiter: str = ","
    encoding: str = "utf-8"
    null: str = ""
    told: Told = untold

    def is_text(self, _column: str) -> bool:
        return True

    def telling(self, told: Told) -> "Csv":
        return replace(self, told=told)

    def columns(self) -> list[str]:
        for number, names in self._records():
            return checked(names, number)
        raise BadLine(1, "the line with the names of the columns is missing")

    def lines(self, columns: list[str]) -> Iterator[Line]:
        records = self._records()
        next(records)
        for number, cells in records:
            if len(cells) != len(columns):
                raise BadLine(
                    number, f"there are {len(cells)} values, and {len(columns)} columns are named"
                )
            yield Line(number, [None if cell == self.null else cell for cell in cells])

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        csv.field_size_limit(LINE_BYTES_MAX)
        reader = csv.reader(_texts(self), delimiter=self.delimiter, strict=True)
        begins = 1
        while True:
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise BadLine(begins, f"not CSV: {error}") from error
            if cells:
                yield begins, cells
            begins = reader.line_num + 1


@dataclass(frozen=True, slots=True)
class JsonLines:
    """An object on each line. A field that is not there is NULL."""

    counted: ClassVar[str] = "line"

    path: Path
    encoding: str = "utf-8"
    told: Told = untold

    def is_text(self, _column: str) -> bool:
        return False

    def telling(self, told: Told) -> "JsonLines":
        return replace(self, told=told)

    def columns(self) -> list[str]:
        """Every name there is, in the order in which they come."""
        names: dict[str, None] = {}
        number = 1
        for number, fields in self._objects():
            names |= dict.fromkeys(fields)
            if len(names) > COLUMNS_MAX:
                raise BadLine(number, f"there are more than {COLUMNS_MAX} names")
        return checked(list(names), number)

    def lines(self, columns: list[str]) -> Iterator[Line]:
        known = set(columns)
        for number, fields in self._objects():
            if not known.issuperset(fields):
                raise BadLine(number, f"there is no column {min(fields.keys() - known)!r}")
            yield Line(number, [_value(fields.get(name), name, number) for name in columns])

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for number, text in enumerate(_texts(self), 1):
            if not text.strip():
                continue
            try:
                fields = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_fields)
            except (ValueError, RecursionError) as error:
                raise BadLine(number, f"not JSON: {error}") from error
            if not isinstance(fields, dict):
                raise BadLine(number, "not a JSON object")
            yield number, fields


def seen_delimiter(path: Path, encoding: str) -> str:
    """Return the delimiter of a CSV; BadLine if its first lines do not tell."""
    with closing(_texts(Csv(path, encoding=encoding))) as texts:
        lines = list(islice(texts, LINES_MAX))
        is_whole = next(texts, None) is None
    try:
        return delimiter_of(lines, is_whole=is_whole)
    except Unclear as error:
        raise BadLine(1, str(error)) from error


def checked(names: list[str], number: int, counted: str = "line") -> list[str]:
    """Return the names of columns; BadLine if a table cannot have them."""
    if "" in names:
        raise BadLine(number, "a column has no name", counted)
    if not 0 < len(names) <= COLUMNS_MAX:
        why = f"the file has {len(names)} columns; it must have 1 to {COLUMNS_MAX:,}"
        raise BadLine(number, why, counted)
    folded = [name.lower() for name in names]
    for name in names:
        if folded.count(name.lower()) > 1:
            raise BadLine(number, f"two columns are named {name!r}", counted)
    return names


def _texts(source: Csv | JsonLines) -> Generator[str, None, None]:
    """The lines of a file."""
    number = 0
    with opened(source.path) as (file, content):
        try:
            while line := content.readline(LINE_BYTES_MAX + 1):
                number += 1
                if len(line) > LINE_BYTES_MAX:
                    raise BadLine(number, f"longer than {LINE_BYTES_MAX} bytes")
                if number % TOLD_LINES == 0:
                    source.told(file.tell())
                line = line.removeprefix(BOM) if number == 1 else line
                yield line.decode(source.encoding)
        except UnicodeDecodeError as error:
            why = f"not {source.encoding}: byte {error.start + 1} of it; --encoding says another"
            raise BadLine(number, why) from error
        except BROKEN as error:
            raise BadLine(number + 1, f"the file cannot be read: {error}") from error


def _value(given: Any, name: str, number: int) -> Value:
    if isinstance(given, dict):
        try:
            return special_in(given, f"column {name!r}") if len(given) == 1 else _refuse(name)
        except ValueError as error:
            raise BadLine(number, str(error)) from error
    if isinstance(given, list):
        raise BadLine(number, f"column {name!r} is a list")
    if isinstance(given, str):
        return _text(given, name, number)
    if isinstance(given, int) and not INTEGER_MIN <= given <= INTEGER_MAX:
        raise BadLine(number, f"column {name!r} is an integer past 64 bits")
    return int(given) if isinstance(given, bool) else given


def _text(given: str, name: str, number: int) -> str:
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise BadLine(number, f"column {name!r} holds half a surrogate pair") from error
    return given


def _refuse(name: str) -> Value:
    raise ValueError(f"column {name!r} is an object")


def _fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("two fields of one name")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
