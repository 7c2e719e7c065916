"""The statements of a request, counted by their shape: how often, how long, how many rows read."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any

import apsw

from storage.fingerprint import fingerprint

SHAPES_MAX = 20
"""Of one request; the statements of further shapes are counted together."""

OTHERS = ("", "(others)")

_CURRENT: ContextVar["Tally | None"] = ContextVar("tally", default=None)


@dataclass(slots=True)
class Shape:
    """The counts of one shape. `rows_scanned` are rows that SQLite stepped over without an index.

    `values` counts the sets of values: of statements with many, rows are not counted.
    """

    fingerprint: str
    sql: str
    count: int = 0
    values: int = 0
    duration_ms: float = 0.0
    rows_scanned: int = 0


class Tally:
    """The counts of one request: of what runs in this thread between `begin` and `end`."""

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, str], Shape] = {}
        self._token: Token[Tally | None] | None = None

    def begin(self) -> None:
        self._token = _CURRENT.set(self)

    def end(self) -> list[dict[str, Any]]:
        """Return the counts, in the order in which the shapes came."""
        if self._token is not None:
            _CURRENT.reset(self._token)
        return [
            {name: getattr(shape, name) for name in Shape.__slots__}
            for shape in self._shapes.values()
        ]

    def add(self, sql: str, *, values: int, duration_s: float, rows_scanned: int) -> None:
        """Count a statement that has run."""
        name = fingerprint(sql)
        if name not in self._shapes and len(self._shapes) >= SHAPES_MAX:
            name = OTHERS
        shape = self._shapes.setdefault(name, Shape(*name))
        shape.count += 1
        shape.values += values
        shape.duration_ms = round(shape.duration_ms + duration_s * 1000, 3)
        shape.rows_scanned += rows_scanned


@contextmanager
def timed(connection: apsw.Connection, sql: str, values: int) -> Iterator[None]:
    """Count a statement that runs in the block and ends there; `values` are its sets of values.

    SQLite counts for each run, which takes as long as a short one: not for many sets.
    """
    tally = _CURRENT.get()
    if tally is None:
        yield
        return
    scanned = [0]

    def note(event: dict[str, Any]) -> None:
        scanned[0] += event["stmt_status"]["SQLITE_STMTSTATUS_FULLSCAN_STEP"]

    is_counted = values <= 1
    if is_counted:
        connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)
    started_s = time.perf_counter()
    try:
        yield
    finally:
        duration_s = time.perf_counter() - started_s
        if is_counted:
            connection.trace_v2(0, None)
        tally.add(sql, values=values, duration_s=duration_s, rows_scanned=scanned[0])
