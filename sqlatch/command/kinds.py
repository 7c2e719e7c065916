"""What a column takes: from its declared type, or from the values that there are for it."""

import math
import re
from collections.abc import Callable, Iterable
from enum import Enum

from sqlatch.values import INTEGER_MAX, INTEGER_MIN, Value

_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_REAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PLAIN = re.compile(r"(0|-?[1-9]\d*|-?(0|[1-9]\d*)\.\d+([eE][+-]?\d+)?)", re.ASCII)
"""Numbers that lose nothing by being numbers: 007 and +44 are texts."""

SHOWN_CHARACTERS_MAX = 40


class Kind(Enum):
    """What a column takes; ANY is not checked, as SQLite would not."""

    INTEGER = "INTEGER"
    REAL = "REAL"
    TEXT = "TEXT"
    BLOB = "BLOB"
    ANY = ""


def kind_of(declared: str) -> Kind:
    """By SQLite's rules of affinity. BLOB and NUMERIC (a DATE is) take anything."""
    upper = declared.upper()
    if "INT" in upper:
        return Kind.INTEGER
    if any(part in upper for part in ("CHAR", "CLOB", "TEXT")):
        return Kind.TEXT
    if "BLOB" not in upper and any(part in upper for part in ("REAL", "FLOA", "DOUB")):
        return Kind.REAL
    return Kind.ANY


def converted(value: Value, kind: Kind, *, from_text: bool) -> Value:
    """A value as its column takes it; ValueError if it does not. `from_text` if all are texts."""
    if value is None or kind is Kind.ANY:
        return value
    if from_text and isinstance(value, str):
        return _FROM_TEXT[kind](value)
    if isinstance(value, _TAKES[kind]):
        return value
    raise ValueError(f"{_shown(value)} is no {kind.value}")


def kind_for(values: Iterable[Value], *, from_text: bool) -> "Kind":
    """What takes all of them and keeps them as they are."""
    kind: Kind | None = None
    for value in values:
        if value is not None:
            kind = joined(kind, kind_of_value(value, from_text=from_text))
    return kind or Kind.TEXT


def kind_of_value(value: Value, *, from_text: bool) -> Kind:
    """The narrowest kind for a value that is not None."""
    if isinstance(value, str):
        return _kind_of_text(value) if from_text else Kind.TEXT
    if isinstance(value, bytes):
        return Kind.BLOB
    return Kind.REAL if isinstance(value, float) else Kind.INTEGER


def joined(one: Kind | None, other: Kind) -> Kind:
    """What takes both; integers and texts in one column of JSON stay what they are."""
    if one is None or one is other:
        return other
    if {one, other} == {Kind.INTEGER, Kind.REAL}:
        return Kind.REAL
    return Kind.ANY


def _kind_of_text(text: str) -> Kind:
    if not _PLAIN.fullmatch(text):
        return Kind.TEXT
    if text.lstrip("-").isdigit():
        return Kind.INTEGER if INTEGER_MIN <= int(text) <= INTEGER_MAX else Kind.TEXT
    return Kind.REAL if math.isfinite(float(text)) else Kind.TEXT


def _integer(text: str) -> int:
    if _INTEGER.fullmatch(text) and INTEGER_MIN <= int(text) <= INTEGER_MAX:
        return int(text)
    raise ValueError(f"{_shown(text)} is no INTEGER")


def _real(text: str) -> float:
    if _REAL.fullmatch(text):
        return float(text)
    raise ValueError(f"{_shown(text)} is no REAL")


def _shown(value: Value) -> str:
    shown = repr(value)
    if len(shown) > SHOWN_CHARACTERS_MAX:
        shown = f"{shown[:SHOWN_CHARACTERS_MAX]}..."
    return shown


_FROM_TEXT: dict[Kind, Callable[[str], Value]] = {
    Kind.INTEGER: _integer, Kind.REAL: _real, Kind.TEXT: str, Kind.BLOB: str
}  # fmt: skip
_TAKES: dict[Kind, tuple[type, ...]] = {
    Kind.INTEGER: (int,), Kind.REAL: (int, float), Kind.TEXT: (str,), Kind.BLOB: (bytes,)
}  # fmt: skip
