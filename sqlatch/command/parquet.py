"""A file of Parquet: its columns as SQLite's values, and its rows by their numbers."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sqlatch.command.packed import Told
from sqlatch.command.source import BadLine, Line, checked, untold
from sqlatch.kernel.values import INTEGER_MAX, Value

if TYPE_CHECKING:
    from pyarrow import Array, DataType
    from pyarrow.parquet import ParquetFile

BATCH_ROWS = 4_096

Convert = Callable[["Array"], list[Value]]


class NoPyarrow(Exception):
    """The extra `parquet` is not installed."""


@dataclass(frozen=True, slots=True)
class Parquet:
    """A table of Parquet. If `null` is `nan`, NaN is NULL; otherwise it is refused."""

    counted: ClassVar[str] = "row"

    path: Path
    null: str = ""
    told: Told = untold

    def telling(self, told: Told) -> "Parquet":
        return replace(self, told=told)

    def columns(self) -> list[str]:
        with self._opened() as file:
            names = checked(list(file.schema_arrow.names), 1, self.counted)
            for column in file.schema_arrow:
                self._converter(column.name, column.type)
        return names

    def is_text(self, column: str) -> bool:
        """Return whether the column holds decimals: they are texts, and may become numbers."""
        from pyarrow import types

        with self._opened() as file:
            return bool(types.is_decimal(file.schema_arrow.field(column).type))

    def lines(self, columns: list[str]) -> Iterator[Line]:
        size_bytes = self.path.stat().st_size
        number = 0
        with self._opened() as file:
            kinds = [file.schema_arrow.field(name).type for name in columns]
            converters = [
                self._converter(name, kind) for name, kind in zip(columns, kinds, strict=True)
            ]
            for batch in file.iter_batches(BATCH_ROWS, columns=columns):
                values = [
                    convert(batch.column(name))
                    for name, convert in zip(columns, converters, strict=True)
                ]
                for row in zip(*values, strict=True):
                    number += 1
                    yield Line(number, self._storable(row, columns, number))
                self.told(size_bytes * number // file.metadata.num_rows)

    @contextmanager
    def _opened(self) -> Iterator["ParquetFile"]:
        try:
            from pyarrow import ArrowException
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise NoPyarrow(
                "a file of Parquet needs pyarrow: pip install 'sqlatch[cli,parquet]'"
            ) from error
        try:
            with ParquetFile(self.path) as file:
                yield file
        except (ArrowException, OSError) as error:
            raise BadLine(
                1, f"the file cannot be read as Parquet: {error}", self.counted
            ) from error

    def _storable(self, row: tuple[Value, ...], columns: list[str], number: int) -> list[Value]:
        values = list(row)
        for place, value in enumerate(row):
            where = f"column {columns[place]!r}"
            if isinstance(value, float) and math.isnan(value):
                if self.null.lower() != "nan":
                    why = "is NaN, which SQLite does not have; --null nan makes it NULL"
                    raise BadLine(number, f"{where} {why}", self.counted)
                values[place] = None
            elif isinstance(value, int) and value > INTEGER_MAX:
                raise BadLine(number, f"{where} is an integer past 64 bits", self.counted)
            elif isinstance(value, str) and value.startswith(_OUT_OF_RANGE):
                raise BadLine(number, f"{where} is an instant past the year 9999", self.counted)
        return values

    def _converter(self, name: str, kind: "DataType") -> Convert:
        convert = _converter(kind)
        if convert is None:
            raise BadLine(
                1,
                f"column {name!r} is of type {kind}, which SQLite does not have: write it as text",
                self.counted,
            )
        return convert


_OUT_OF_RANGE = "<value out of range: "
"""Arrow writes this for an instant that has no date."""


def _converter(kind: "DataType") -> Convert | None:
    """Return the way from a column of this type to SQLite's values, if there is one."""
    from pyarrow import types

    if types.is_dictionary(kind):
        of_values = _converter(kind.value_type)
        return of_values and (lambda array: of_values(array.dictionary_decode()))
    if types.is_decimal(kind):
        return _decimals
    if types.is_timestamp(kind) or types.is_date(kind) or types.is_time(kind):
        return _instants
    if types.is_boolean(kind):
        return lambda array: [one if one is None else int(one) for one in array.to_pylist()]
    is_plain = (
        types.is_null(kind)
        or types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
    )
    return _plain if is_plain else None


def _plain(array: "Array") -> list[Value]:
    values: list[Value] = array.to_pylist()
    return values


def _decimals(array: "Array") -> list[Value]:
    return [one if one is None else f"{one:f}" for one in array.to_pylist()]


def _instants(array: "Array") -> list[Value]:
    """Texts as SQLite's functions write them: in UTC, without the zeros of a fraction."""
    from pyarrow import string, timestamp, types

    if types.is_timestamp(array.type):
        # Without its zone an instant is in UTC.
        array = array.cast(timestamp(array.type.unit))
    return [
        one.rstrip("0").rstrip(".") if one is not None and "." in one else one
        for one in array.cast(string()).to_pylist()
    ]
