"""Values as JSON says them, both ways: for what the service answers and what callers send."""

import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from sqlatch.kernel.errors import BadEvent

Value = None | int | float | str | bytes
Row = tuple[Value, ...]
Parameters = Sequence[Value] | Mapping[str, Value]

INTEGER_MAX = 2**63 - 1
INTEGER_MIN = -(2**63)
REALS = {"Infinity": math.inf, "-Infinity": -math.inf}


def value_out(value: Value) -> Any:
    """One of SQLite's values as JSON says it."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode("ascii")}
    if isinstance(value, float) and math.isinf(value):
        return {"real": "Infinity" if value > 0 else "-Infinity"}
    return value


def special_in(value: Mapping[Any, Any], where: str) -> Value:
    """The value that JSON says by an object; ValueError says what is wrong at `where`."""
    ((name, content),) = value.items()
    if name == "base64" and isinstance(content, str):
        try:
            return base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise ValueError(f"{where} is bad base64: {error}") from error
    if name == "real" and content in REALS:
        return REALS[content]
    raise ValueError(f'{where} is an object, but not {{"base64": text}} or {{"real": "Infinity"}}')


def parameters_out(parameters: object) -> Any:
    """A caller's parameters as JSON says them; BadEvent names the place of what it cannot."""
    if isinstance(parameters, Mapping):
        return {str(name): _given(value, f".{name}") for name, value in parameters.items()}
    if not isinstance(parameters, Sequence) or isinstance(parameters, str | bytes):
        raise BadEvent(
            f"parameters are a sequence or a mapping, not {type(parameters).__name__}",
            field="parameters",
        )
    return [_given(value, f"[{number}]") for number, value in enumerate(parameters)]


def rows_in(rows: list[list[Any]]) -> list[Row]:
    """Rows as the service sends them."""
    if dict not in set(map(type, chain.from_iterable(rows))):
        return [tuple(row) for row in rows]
    return [
        tuple(special_in(value, "a value") if type(value) is dict else value for value in row)
        for row in rows
    ]


def names_apart(columns: Sequence[str]) -> list[str]:
    """Names that no two columns share, `:1` behind the second `id` as SQLite itself does it."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}:{number}"
        names.append(name)
    return names


def _given(value: object, where: str) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int):
        if not INTEGER_MIN <= value <= INTEGER_MAX:
            raise _bad(where, "is an integer past 64 bits")
        return int(value)
    if isinstance(value, float):
        if math.isnan(value):
            raise _bad(where, "is NaN, which SQLite does not have: send None")
        return value_out(float(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return value_out(bytes(value))
    raise _bad(
        where,
        f"is of type {type(value).__name__}: a value is None, bool, int, float, str or bytes",
    )


def _text(value: str, where: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise _bad(where, "holds half a surrogate pair") from error
    return str(value)


def _bad(where: str, why: str) -> BadEvent:
    return BadEvent(f"parameters: {where} {why}", field="parameters")
