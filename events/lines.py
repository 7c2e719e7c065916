"""Rows as lines of a file: JSON objects, or comma-separated values below a line of names."""

from collections.abc import Sequence
from itertools import chain

from pydantic_core import to_json

from events.request import LinkForm
from sqlatch.kernel import separated
from sqlatch.kernel.values import Row, names_apart, value_out


def head(form: LinkForm, columns: Sequence[str]) -> bytes:
    """Return the beginning of a file."""
    return separated.names_line(columns) if form.startswith("csv") else b""


def lines(form: LinkForm, columns: Sequence[str], rows: list[Row]) -> bytes:
    """Return the lines of rows, one at least."""
    if form.startswith("csv"):
        return separated.lines(rows)
    names = names_apart(columns)
    kinds = set(map(type, chain.from_iterable(rows)))
    if bytes not in kinds:
        encoded = _objects(names, rows)
        if float not in kinds or b"Infinity" not in encoded:
            return encoded
    return _objects(names, [tuple(map(value_out, row)) for row in rows])


def _objects(names: list[str], rows: list[Row]) -> bytes:
    return b"".join(
        [
            to_json(dict(zip(names, row, strict=True)), inf_nan_mode="constants") + b"\n"
            for row in rows
        ]
    )
