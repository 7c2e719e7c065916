"""Parquet: rows are kept in Arrow's stream, which grows at its end, and written when all are."""

import os
from collections.abc import Sequence
from pathlib import Path

import pyarrow
from pyarrow import ipc, parquet

from sqlatch.command.formats import CannotWrite
from sqlatch.command.kinds import Kind, kind_of
from sqlatch.kernel.values import Row, Value, names_apart

EXACT_MAX = 2**53
"""Integers up to it are as exact in a column of reals."""

_TYPES = {
    Kind.INTEGER: pyarrow.int64(), Kind.REAL: pyarrow.float64(),
    Kind.TEXT: pyarrow.string(), Kind.BLOB: pyarrow.binary(),
}  # fmt: skip
_OF_VALUES = {
    int: pyarrow.int64(), float: pyarrow.float64(), str: pyarrow.string(), bytes: pyarrow.binary()
}  # fmt: skip


class Parquet:
    """A column has the type that it declares, or that of its values in the first part.

    A value of another type is refused, and named: Parquet has one type for a column.
    """

    def __init__(self) -> None:
        self._schema = pyarrow.schema([])

    def head(self, columns: Sequence[str], kinds: Sequence[str], first: Sequence[Row]) -> bytes:
        declared = kinds or [""] * len(columns)
        self._schema = pyarrow.schema([
            (name, _type_of(kind, {type(row[at]) for row in first}))
            for at, (name, kind) in enumerate(zip(names_apart(columns), declared, strict=True))
        ])  # fmt: skip
        return bytes(self._schema.serialize())

    def begin_again(self, path: Path) -> None:
        with ipc.open_stream(path) as stream:
            self._schema = stream.schema

    def rows(self, columns: Sequence[str], rows: Sequence[Row], before: int) -> bytes:
        if not rows:
            return b""
        arrays = [
            _array([row[at] for row in rows], one, before)
            for at, one in enumerate(self._schema)
        ]  # fmt: skip
        return bytes(pyarrow.record_batch(arrays, schema=self._schema).serialize())

    def finish(self, path: Path) -> None:
        whole = path.with_name(f"{path.name}.whole")
        with ipc.open_stream(path) as stream, parquet.ParquetWriter(whole, stream.schema) as out:
            for batch in stream:
                out.write_batch(batch)
        os.replace(whole, path)  # noqa: PTH105 (says that it replaces)


def _type_of(declared: str, values: set[type]) -> pyarrow.DataType:
    kind = kind_of(declared)
    found = values - {type(None)}
    if kind in _TYPES and (kind is not Kind.BLOB or found <= {bytes}):
        return _TYPES[kind]
    if found == {int, float}:
        return pyarrow.float64()
    return _OF_VALUES[found.pop()] if len(found) == 1 else pyarrow.string()


def _array(values: list[Value], one: pyarrow.Field, before: int) -> pyarrow.Array:
    takes = {int, type(None)}
    if one.type == pyarrow.float64():
        takes = {float, int, type(None)}
    elif one.type == pyarrow.string():
        takes = {str, type(None)}
    elif one.type == pyarrow.binary():
        takes = {bytes, type(None)}
    for number, value in enumerate(values, before + 1):
        if type(value) not in takes or (
            one.type == pyarrow.float64() and isinstance(value, int) and abs(value) > EXACT_MAX
        ):
            raise CannotWrite(
                f"row {number:,}, column {one.name!r} is {_shown(value)}, and the column in the"
                f" file is of {one.type}: CAST it in a query, or export csv or jsonl"
            )
    return pyarrow.array(values, one.type)


def _shown(value: Value) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}..."  # noqa: PLR2004
