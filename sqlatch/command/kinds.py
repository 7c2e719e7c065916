"""The kinds of columns, by their declared types, or by the values that they are to hold."""

import base64
import math
import re
from collections.abc import Callable
from enum import Enum
from functools import lru_cache

from sqlatch.kernel.values import INTEGER_MAX, INTEGER_MIN, Value

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PLAIN = re.compile(r"0|-?[1-9]\d*", re.ASCII)
"""Integers that lose nothing by being numbers: 007 and +44 are texts."""

SHOWN_CHARACTERS_MAX = 40

SHAPES_KEPT_MAX = 10_000
"""Texts whose shapes are remembered: most columns hold few values, many times."""


class Kind(Enum):
    """The kind of values that a column takes; ANY is not checked, as SQLite would not.

    NUMERIC is of texts: numbers are sent as numbers, all else as it is.
    """

    INTEGER = "INTEGER"
    REAL = "REAL"
    NUMERIC = "NUMERIC"
    TEXT = "TEXT"
    BLOB = "BLOB"
    ANY = ""


class Shape(Enum):
    """The shape of a text that is a number, if writing the number gives the same text again."""

    INTEGER = "1"
    FRACTION = "1.5"
    WHOLE = "1.0"
    TEXT = "x"


def kind_of(declared: str) -> Kind:
    """By SQLite's rules of affinity. BLOB and what is numeric (a DATE is) take anything."""
    upper = declared.upper()
    if upper == Kind.NUMERIC.value:
        return Kind.NUMERIC
    if "INT" in upper:
        return Kind.INTEGER
    if any(part in upper for part in ("CHAR", "CLOB", "TEXT")):
        return Kind.TEXT
    if "BLOB" not in upper and any(part in upper for part in ("REAL", "FLOA", "DOUB")):
        return Kind.REAL
    return Kind.ANY


def converted(value: Value, kind: Kind, *, from_text: bool) -> Value:
    """A value as its column takes it; ValueError if it does not. `from_text` if all are texts."""
    if value is None or kind is Kind.ANY or (kind is Kind.NUMERIC and not from_text):
        return value
    if from_text and isinstance(value, str):
        return _FROM_TEXT[kind](value)
    if isinstance(value, _TAKES[kind]):
        return value
    raise ValueError(f"{_shown(value)} is not a valid {kind.value}")


def kind_for_texts(shapes: set[Shape]) -> Kind:
    """The column for texts of these shapes, out of which each comes as it went in.

    A NUMERIC column makes 1 of 1.0, and a REAL one makes 1.0 of 1.
    """
    if shapes and shapes <= {Shape.FRACTION, Shape.WHOLE}:
        return Kind.REAL
    if shapes == {Shape.INTEGER}:
        return Kind.INTEGER
    return Kind.NUMERIC if shapes == {Shape.INTEGER, Shape.FRACTION} else Kind.TEXT


def kind_for_types(types: set[type]) -> Kind:
    """Return the kind of column for values of these types; TEXT if no other fits."""
    if len(types) > 1:
        return Kind.ANY
    return _KIND_OF_TYPE[next(iter(types), str)]


@lru_cache(SHAPES_KEPT_MAX)
def shape_of(text: str) -> Shape:
    """Return the shape of a text as a number."""
    if _PLAIN.fullmatch(text):
        return Shape.INTEGER if INTEGER_MIN <= int(text) <= INTEGER_MAX else Shape.TEXT
    if not _REAL.fullmatch(text):
        return Shape.TEXT
    number = float(text)
    # SQLite's REAL columns have no negative zero.
    if repr(number) != text or text == "-0.0" or math.isinf(number):
        return Shape.TEXT
    return Shape.WHOLE if number.is_integer() else Shape.FRACTION


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) and INTEGER_MIN <= int(text) <= INTEGER_MAX:
        return int(text)
    raise ValueError(f"{_shown(text)} is not a valid INTEGER")


def _real(text: str) -> float:
    if _REAL.fullmatch(text):
        return float(text)
    raise ValueError(f"{_shown(text)} is not a valid REAL")


def _numeric(text: str) -> Value:
    shape = shape_of(text)
    if shape is Shape.INTEGER:
        return int(text)
    return text if shape is Shape.TEXT else float(text)


def _blob(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"{_shown(text)} is not the base64 of a BLOB") from error


def _shown(value: Value) -> str:
    shown = repr(value)
    if len(shown) > SHOWN_CHARACTERS_MAX:
        shown = f"{shown[:SHOWN_CHARACTERS_MAX]}..."
    return shown


_FROM_TEXT: dict[Kind, Callable[[str], Value]] = {
    Kind.INTEGER: _integer, Kind.REAL: _real, Kind.NUMERIC: _numeric, Kind.TEXT: str,
    Kind.BLOB: _blob,
}  # fmt: skip
_TAKES: dict[Kind, tuple[type, ...]] = {
    Kind.INTEGER: (int,), Kind.REAL: (int, float), Kind.TEXT: (str,), Kind.BLOB: (bytes,)
}  # fmt: skip
_KIND_OF_TYPE = {int: Kind.INTEGER, float: Kind.REAL, str: Kind.TEXT, bytes: Kind.BLOB}
