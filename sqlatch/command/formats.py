"""The forms of an exported file that grow at their end: CSV and JSON lines."""

import base64
import io
import json
import math
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from sqlatch.kernel.values import Row, Value, names_apart, value_out

INFINITY = "9e999"
"""A decimal that every SQLite, and `sqlatch load`, reads as an infinite real."""


class CannotWrite(Exception):
    """A value has no place in the file; says which row and column."""


class Form(Protocol):
    """A form of rows in a file. What it makes of one part after the other is joined."""

    def head(self, columns: Sequence[str], kinds: Sequence[str], first: Sequence[Row]) -> bytes:
        """Return the beginning of the file; `kinds` are declared types, if they are known."""

    def begin_again(self, path: Path) -> None:
        """Go on behind a file that this form has begun."""

    def rows(self, columns: Sequence[str], rows: Sequence[Row], before: int) -> bytes:
        """Return rows, `before` of which are in the file; CannotWrite."""

    def finish(self, path: Path) -> None:
        """Make the file what it is to be, when all rows are in it."""


class Appended:
    """A form that needs neither an end nor what stands before."""

    def begin_again(self, path: Path) -> None:
        """Nothing is kept between two parts."""

    def finish(self, path: Path) -> None:
        """The file is whole."""


class Csv(Appended):
    """Comma-separated values below a line of names.

    NULL is nothing between the commas and an empty text is `""`, unless another text stands for
    NULL. A blob is its base64, an infinite real 9e999.
    """

    def __init__(self, null: str | None) -> None:
        self._null = null

    def head(self, columns: Sequence[str], kinds: Sequence[str], first: Sequence[Row]) -> bytes:
        return (",".join(map(self._quoted, columns)) + "\n").encode()

    def rows(self, columns: Sequence[str], rows: Sequence[Row], before: int) -> bytes:
        lines = []
        for number, row in enumerate(rows, before + 1):
            if self._null is not None and self._null in row:
                self._refuse(columns, row, number)
            lines.append(",".join(map(self._cell, row)))
        lines.append("")
        return "\n".join(lines).encode()

    def _cell(self, value: Value) -> str:
        if value is None:
            return self._null or ""
        if isinstance(value, str):
            return self._quoted(value)
        if isinstance(value, bytes):
            return base64.b64encode(value).decode() or '""'
        if isinstance(value, float) and math.isinf(value):
            return INFINITY if value > 0 else f"-{INFINITY}"
        return repr(value)

    def _quoted(self, text: str) -> str:
        if text and not _SPECIAL.intersection(text) and text == text.strip():
            return text
        return '"' + text.replace('"', '""') + '"'

    def _refuse(self, columns: Sequence[str], row: Row, number: int) -> None:
        if self._null is not None:
            raise CannotWrite(
                f"row {number:,}, column {columns[row.index(self._null)]!r} is the text"
                f" {self._null!r}, which is to stand for NULL: give another --null"
            )


_SPECIAL = frozenset('",;\t\r\n')


class JsonLines(Appended):
    """An object on each line; a blob is {"base64": ...}, an infinite real {"real": "Infinity"}."""

    def head(self, columns: Sequence[str], kinds: Sequence[str], first: Sequence[Row]) -> bytes:
        return b""

    def rows(self, columns: Sequence[str], rows: Sequence[Row], before: int) -> bytes:
        names = names_apart(columns)
        lines = io.StringIO()
        for row in rows:
            fields = dict(zip(names, map(value_out, row), strict=True))
            lines.write(json.dumps(fields, ensure_ascii=False, allow_nan=False) + "\n")
        return lines.getvalue().encode()


def is_parquet_there() -> bool:
    """Return whether pyarrow is installed."""
    return find_spec("pyarrow") is not None
