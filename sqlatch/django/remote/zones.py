"""Time zones as SQL: SQLite knows none, so the offsets of a zone are written into the statement."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from django.db.backends.utils import split_tzname_delta

FIRST = datetime(1850, 1, 1)  # noqa: DTZ001 - wall time of one zone or another
LAST = datetime(2100, 1, 1)  # noqa: DTZ001
"""Between these every offset is the zone's; before and after it is that of the end."""

STEP = timedelta(days=3)
"""No zone has had two changes in so short a time that they cancel each other."""

ZONES_MAX = 64

Offset = Callable[[datetime], timedelta]


def converted(at: str, zone: str | None, connection_zone: str | None) -> str:
    """SQL for a moment (SQL, named once) of the connection's zone, in another; none means as is."""
    if not zone or not connection_zone or zone == connection_zone:
        return at
    name, sign, delta = split_tzname_delta(zone)
    utc = _moved(at, _to_utc(connection_zone))
    if delta:
        hours, minutes = (int(part) for part in delta.split(":"))
        utc = f"datetime({utc}, '{sign}{60 * hours + minutes} minutes')"
    return _moved(utc, _from_utc(name or connection_zone))


@lru_cache(ZONES_MAX)
def _to_utc(zone: str) -> str:
    info = ZoneInfo(zone)
    return _case(list(pieces(lambda at: -_known(at.replace(tzinfo=info).utcoffset()))))


@lru_cache(ZONES_MAX)
def _from_utc(zone: str) -> str:
    info = ZoneInfo(zone)
    return _case(
        list(pieces(lambda at: _known(at.replace(tzinfo=UTC).astimezone(info).utcoffset())))
    )


def _moved(at: str, seconds: str) -> str:
    if seconds == "0":
        return at
    return f"(SELECT datetime(wall, {seconds} || ' seconds') FROM (SELECT {at} AS wall))"


def pieces(offset: Offset) -> Iterator[tuple[datetime, int]]:
    """From when on, how many seconds."""
    begin, value = FIRST, offset(FIRST)
    yield begin, _seconds(value)
    while begin < LAST:
        end = begin + STEP
        if offset(end) != value:
            change = _change(offset, begin, end)
            value = offset(change)
            yield change, _seconds(value)
        begin = end


def _change(offset: Offset, before: datetime, after: datetime) -> datetime:
    """The first second at which the offset is another than before."""
    was = offset(before)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if offset(middle) == was:
            before = middle
        else:
            after = middle
    return after


def _case(pieces: list[tuple[datetime, int]]) -> str:
    """Halved again and again: nine comparisons find one of 300 pieces."""
    if len(pieces) == 1:
        return str(pieces[0][1])
    middle = len(pieces) // 2
    before, behind = _case(pieces[:middle]), _case(pieces[middle:])
    return f"CASE WHEN wall<'{pieces[middle][0]}' THEN {before} ELSE {behind} END"


def _known(offset: timedelta | None) -> timedelta:
    assert offset is not None
    return offset


def _seconds(offset: timedelta) -> int:
    return offset // timedelta(seconds=1)
