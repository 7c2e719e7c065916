"""Values both ways: what JSON can say as it is, and `{"base64": ...}` and `{"real": ...}`."""

import math
from array import array
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, cast

from pydantic_core import to_json

from sqlatch.kernel.values import INTEGER_MAX as INTEGER_MAX
from sqlatch.kernel.values import INTEGER_MIN as INTEGER_MIN
from sqlatch.kernel.values import Row as Row
from sqlatch.kernel.values import Value as Value
from sqlatch.kernel.values import special_in, value_out

FEW_ROWS = 8
"""So few are asked value by value, which for them is faster."""

BLOCK_ROWS = 500
"""Of a bulk what is looked at together: more does not stay in the processor's cache."""


def parameters_in(given: object) -> Any:
    """A list or object of JSON values as SQLite takes them; ValueError names the place."""
    if given is None:
        return None
    if isinstance(given, list):  # asked first, since to ask for an abstract class takes longer
        return [value_in(value, f"[{number}]") for number, value in enumerate(given)]
    if isinstance(given, Mapping):
        return {name: value_in(value, f".{name}") for name, value in given.items()}
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise ValueError("is neither a list nor an object")  # noqa: TRY004 (pydantic reads it)
    return [value_in(value, f"[{number}]") for number, value in enumerate(given)]


def parameter_sets_in(given: object) -> Any:
    """Many of them. Lists without special values, as a bulk load has them, are passed uncopied."""
    if given is None:
        return None
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise ValueError("is not a list")  # noqa: TRY004 (pydantic reads it)
    if set(map(type, given)) == {list} and _are_plain(cast("list[list[object]]", given)):
        return given
    sets = []
    for number, parameters in enumerate(given):
        try:
            sets.append(parameters_in(parameters))
        except ValueError as error:
            raise ValueError(f"[{number}] {error}") from error
    return sets


def value_in(value: object, where: str) -> Value:
    """One JSON value as SQLite takes it; ValueError says what is wrong at `where`."""
    if value is None:
        return None
    if isinstance(value, str):
        if not _is_unicode(value):
            raise ValueError(
                f"{where} holds half a surrogate pair, which is not Unicode: send it as a blob"
            )
        return value
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise ValueError(f"{where} is an integer past 64 bits: send it as a text")
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f'{where} is not a JSON number: write {{"real": "Infinity"}}')
        return value
    if isinstance(value, Mapping) and len(value) == 1:
        return special_in(value, where)
    raise ValueError(
        f"{where} is {_kind(value)}: a value is null, a boolean, an integer, a real, a text,"
        ' {"base64": ...} or {"real": "Infinity"}'
    )


class RowsOut(NamedTuple):
    """Rows as JSON says them, the same ones where they are that already; encoded; and their bytes.

    The bytes are those that Lambda's runtime writes: a space behind each comma and colon, Python's
    exponents.
    """

    rows: list[Any]
    encoded: bytes
    size_bytes: int


def rows_out(rows: list[Row], *, in_text: bool) -> RowsOut:
    """Rows on their way out.

    `in_text` if they will stand in a text that is JSON again, as an HTTP body does: there a quote
    is two bytes.
    """
    kinds = _kinds_of(rows)
    encoded = b"" if bytes in kinds else to_json(rows, inf_nan_mode="constants")
    sent: list[Any] = rows
    size_bytes = len(rows) * len(rows[0])
    if bytes in kinds or (float in kinds and b"Infinity" in encoded):
        sent = [[value_out(value) for value in row] for row in rows]
        encoded = to_json(sent)
        size_bytes += encoded.count(b'{"')
    if float in kinds:
        # 1e-7 is 1e-07 there; all other exponents are as long, or shorter.
        size_bytes += encoded.count(b"e-")
    size_bytes += len(encoded)
    return RowsOut(sent, encoded, size_bytes + (escapes_bytes(encoded) if in_text else 0))


def escapes_bytes(encoded: bytes) -> int:
    """Return the bytes that JSON grows by when it becomes a string within JSON."""
    return encoded.count(b'"') + encoded.count(b"\\")


def _kinds_of(rows: list[Row]) -> set[type]:
    """The types of the values. A whole column that can be joined, or added up, is of one kind.

    C finds that out in half the time that it takes to ask each value.
    """
    if len(rows) <= FEW_ROWS:
        return set(map(type, chain.from_iterable(rows)))
    kinds: set[type] = set()
    for column in zip(*rows, strict=True):
        values: tuple[Any, ...] = column
        try:
            kinds.add(type("".join(values) if type(values[0]) is str else sum(values)))
        except TypeError:
            kinds.update(map(type, values))
    return kinds


def _are_plain(sets: list[list[object]]) -> bool:
    """Return whether SQLite takes all values as they are, checked by column, of few types each."""
    blocks = (sets[first : first + BLOCK_ROWS] for first in range(0, len(sets), BLOCK_ROWS))
    try:
        return all(all(map(_is_plain_column, zip(*block, strict=True))) for block in blocks)
    except ValueError:
        return False


def _is_plain_column(column: tuple[Any, ...]) -> bool:
    kinds = set(map(type, column))
    if type(None) in kinds:
        kinds.discard(type(None))
        column = tuple(filter(None, column))  # zeros and empty texts too, which are plain anyway
    if kinds == {int}:
        return _are_64_bits(column)
    if kinds == {float}:
        return math.isfinite(sum(column)) or all(map(math.isfinite, column))
    if kinds == {str}:
        return _is_unicode("".join(column))
    return not kinds


def _are_64_bits(integers: tuple[int, ...]) -> bool:
    try:
        array("q", integers)
    except OverflowError:
        return False
    return True


def _is_unicode(text: str) -> bool:
    """Return whether no half of a surrogate pair stands alone: UTF-8 has no such character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"of type {type(value).__name__}"
