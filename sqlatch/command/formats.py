"""The forms of an exported file that grow at their end: CSV and JSON lines."""

import io
import json
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from sqlatch.kernel import separated
from sqlatch.kernel.values import Row, names_apart, value_out


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
    """Comma-separated values below a line of names: see `sqlatch.kernel.separated`.

    Another text may stand for NULL than none.
    """

    def __init__(self, null: str | None) -> None:
        self._null = null

    def head(self, columns: Sequence[str], kinds: Sequence[str], first: Sequence[Row]) -> bytes:
        return separated.names_line(columns)

    def rows(self, columns: Sequence[str], rows: Sequence[Row], before: int) -> bytes:
        for number, row in enumerate(rows, before + 1) if self._null is not None else ():
            if self._null in row:
                raise CannotWrite(
                    f"row {number:,}, column {columns[row.index(self._null)]!r} is the text"
                    f" {self._null!r}, which is to stand for NULL: give another --null"
                )
        return separated.lines(rows, null=self._null or "")


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
