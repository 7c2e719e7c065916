"""PEP 249's types: what a column's declaration says, and constructors of values."""

import datetime
from collections.abc import Callable

Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime
Binary = bytes


def DateFromTicks(ticks: float) -> datetime.date:
    return datetime.datetime.fromtimestamp(ticks).date()  # noqa: DTZ006 (local, says PEP 249)


def TimeFromTicks(ticks: float) -> datetime.time:
    return datetime.datetime.fromtimestamp(ticks).time()  # noqa: DTZ006


def TimestampFromTicks(ticks: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(ticks)  # noqa: DTZ006


class Type:
    """Equal to every declared type of its kind."""

    def __init__(self, name: str, fits: Callable[[str], bool]) -> None:
        self._name = name
        self._fits = fits

    def __eq__(self, other: object) -> bool:
        return other is self or (isinstance(other, str) and self._fits(other.upper()))

    def __hash__(self) -> int:
        return hash(self._name)

    def __repr__(self) -> str:
        return self._name


def _has(*parts: str) -> Callable[[str], bool]:
    return lambda declared: any(part in declared for part in parts)


STRING = Type("STRING", _has("CHAR", "CLOB", "TEXT"))
BINARY = Type("BINARY", _has("BLOB", "BINARY"))
NUMBER = Type("NUMBER", _has("INT", "REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL", "BOOL"))
DATETIME = Type("DATETIME", _has("DATE", "TIME"))
ROWID = Type("ROWID", lambda declared: declared == "ROWID")
