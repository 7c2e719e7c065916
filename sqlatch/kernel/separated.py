"""Rows as comma-separated values, for what the service writes and for what its callers do.

NULL is nothing between the commas and an empty text is `""`. A blob is its base64, an infinite real
9e999.
"""

import base64
import math
import re
from collections.abc import Iterable, Sequence

from sqlatch.kernel.values import Row, Value

INFINITY = "9e999"
"""A decimal that every SQLite, and `sqlatch load`, reads as an infinite real."""

_SPECIAL = re.compile('[",;\t\r\n]')
_TEXTS = {str, type(None)}


def names_line(columns: Iterable[str]) -> bytes:
    """Return the first line, with the names of the columns."""
    return (",".join(map(_quoted, columns)) + "\n").encode()


def lines(rows: Sequence[Row], *, null: str = "") -> bytes:
    """Return a line for each row; `null` stands for NULL."""
    cells = [_cells(column, null) for column in zip(*rows, strict=True)]
    return "".join([line + "\n" for line in map(",".join, zip(*cells, strict=True))]).encode()


def _cells(column: tuple[Value, ...], null: str) -> Iterable[str]:
    """Return the cells of a column, quicker where its values are of one type, or repeat."""
    kinds = set(map(type, column))
    if kinds == {int} or (kinds == {float} and math.isfinite(sum(column))):  # type: ignore[arg-type]
        return map(repr, column)
    if kinds <= _TEXTS:
        known = {value: _cell(value, null) for value in set(column)}
        return map(known.__getitem__, column)
    return [_cell(value, null) for value in column]


def _cell(value: Value, null: str) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return null
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() or '""'
    if isinstance(value, float) and math.isinf(value):
        return INFINITY if value > 0 else f"-{INFINITY}"
    return repr(value)


def _quoted(text: str) -> str:
    if text and _SPECIAL.search(text) is None and text == text.strip():
        return text
    return '"' + text.replace('"', '""') + '"'
