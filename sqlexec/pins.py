"""The time, chance and counts of statements that may have to be run again with the same answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import shake_256
from typing import Any

import apsw

FLAGS = apsw.SQLITE_INNOCUOUS
"""They may stand in a schema, as SQLite's own do: DEFAULT CURRENT_DATE, an index of date(x)."""

DATES = {"date": 0, "time": 0, "datetime": 0, "julianday": 0, "unixepoch": 0, "strftime": 1}
"""SQLite's functions of dates, and which of their values is the time; none there means now."""

BLOB_BYTES_MAX = 16 * 1024 * 1024

SUBSECONDS = frozenset({"subsec", "subsecond"})
"""Said in the place of a time they are modifiers of now."""


class Pins:
    """The time and the random numbers of connections, as `pin` says, and their counts of changes.

    Its SQL functions stand over SQLite's own for good: a connection forgets those it had. The
    functions of dates are still SQLite's, of another connection, and are only told what now is.
    """

    def __init__(self) -> None:
        self._own = apsw.Connection(":memory:")
        self._seed = b""
        self._drawn = 0
        self._at_ms = 0
        self._changes_before = 0

    def begin(self, connection: apsw.Connection) -> None:
        """Count changes from here on: what others have changed on the connection is not counted."""
        self._changes_before = connection.total_changes()

    def pin(self, at_ms: int, seed: bytes) -> None:
        """Until the next call it is `at_ms` (epoch); chance gives what follows from the seed."""
        self._at_ms = at_ms
        self._seed = seed
        self._drawn = 0

    def install(self, connection: apsw.Connection) -> None:
        """Let the connection's statements ask here."""
        functions: dict[tuple[str, int], Callable[..., Any]] = {
            ("random", 0): lambda: int.from_bytes(self._draw(8), "big", signed=True),
            ("randomblob", 1): self._blob,
            ("current_date", 0): lambda: self._now[:10],
            ("current_time", 0): lambda: self._now[11:19],
            ("current_timestamp", 0): lambda: self._now[:19],
            ("total_changes", 0): lambda: self._total_changes(connection),
            ("changes", 0): lambda: connection.changes() if self._total_changes(connection) else 0,
        }
        for (name, arguments), function in functions.items():
            connection.create_scalar_function(name, function, arguments, flags=FLAGS)
        for name, place in DATES.items():
            _of_dates(connection, name, -1, self._date(name, place))
        _of_dates(connection, "timediff", 2, self._timediff)

    def close(self) -> None:
        self._own.close()

    @property
    def _now(self) -> str:
        at = datetime.fromtimestamp(self._at_ms // 1000, UTC)
        return f"{at:%Y-%m-%d %H:%M:%S}.{self._at_ms % 1000:03d}"

    def _total_changes(self, connection: apsw.Connection) -> int:
        return connection.total_changes() - self._changes_before

    def _draw(self, count: int) -> bytes:
        self._drawn += 1
        return shake_256(self._seed + self._drawn.to_bytes(8, "big")).digest(count)

    def _blob(self, count: Any) -> bytes:
        ((size_bytes,),) = self._own.execute("SELECT CAST(? AS INTEGER)", (count,))
        if (size_bytes or 0) > BLOB_BYTES_MAX:
            raise apsw.TooBigError("string or blob too big")
        return self._draw(max(1, size_bytes or 0))

    def _date(self, name: str, place: int) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            before, at = values[:place], values[place : place + 1]
            behind = values[place + 1 :]
            if len(before) < place:
                return self._ask(name, *values)
            if at and isinstance(at[0], str) and at[0].lower() in SUBSECONDS:
                behind = (at[0], *behind)
                at = ()
            return self._ask(name, *before, self._time(at[0] if at else "now"), *behind)

        return call

    def _timediff(self, first: Any, second: Any) -> Any:
        return self._ask("timediff", self._time(first), self._time(second))

    def _time(self, value: Any) -> Any:
        return self._now if isinstance(value, str) and value.lower() == "now" else value

    def _ask(self, name: str, *values: Any) -> Any:
        marks = ",".join("?" * len(values))
        ((value,),) = self._own.execute(f"SELECT {name}({marks})", values)
        return value


def _of_dates(
    connection: apsw.Connection, name: str, arguments: int, function: Callable[..., Any]
) -> None:
    flags = FLAGS | apsw.SQLITE_DETERMINISTIC
    connection.create_scalar_function(name, function, arguments, deterministic=True, flags=flags)
