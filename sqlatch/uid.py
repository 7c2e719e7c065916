"""Ids of 64 bits that sort by time and never repeat, whatever the clocks of the processes say.

    63      22 21   10 9      0
    +---------+-------+-------+
    | time_ms | node  | count |
    +---------+-------+-------+

An id is positive. Its time is in milliseconds since 2025, until 2094. A node is a number below
4,095 that a process reserves for a span of time, with one statement to a database. Spans of one
node do not overlap, and a process makes ids only within its own spans.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlatch.client import Client

EPOCH_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z."""

NODE_BITS = 12
COUNT_BITS = 10

SPAN_MS = 60_000
"""So many milliseconds are reserved at once. A node is free again when its span is over, even if
its process was killed."""

CREATE = f"""
CREATE TABLE IF NOT EXISTS uid_nodes (
    node INTEGER PRIMARY KEY CHECK (node < {(1 << NODE_BITS) - 1}), until_ms INTEGER NOT NULL
) STRICT
"""
RESERVE = """
INSERT INTO uid_nodes (node, until_ms)
VALUES (
    coalesce(
        (SELECT node FROM uid_nodes WHERE until_ms <= :now_ms ORDER BY until_ms LIMIT 1),
        (SELECT count(*) FROM uid_nodes)
    ),
    :now_ms + :span_ms
)
ON CONFLICT (node) DO UPDATE SET until_ms = excluded.until_ms
RETURNING node
"""
"""The node whose span ended first, or a new one; of 4,095 in use the CHECK refuses one more. The
last node is that of the service's SQL function uid()."""

BUSY_S = 10.0


@dataclass(frozen=True, slots=True)
class Span:
    """A node, reserved from `from_ms` until before `until_ms`, since 1970."""

    node: int
    from_ms: int
    until_ms: int


class Uids:
    """Ids of this process; threads may share it, and a fork makes ids of its own span."""

    def __init__(
        self, reserve: Callable[[int], Span], *, now: Callable[[], float] = time.time
    ) -> None:
        """`reserve` returns a span that begins at that time or later (ms since 1970)."""
        self._reserve = reserve
        self._now = now
        self._lock = Lock()
        self._span = Span(node=0, from_ms=0, until_ms=0)
        self._at_ms = 0
        self._count = 0
        self._process = os.getpid()

    def next(self) -> int:
        """Return an id greater than those before it."""
        with self._lock:
            self._advance(int(self._now() * 1000))
            since_ms = self._at_ms - EPOCH_MS
            return (since_ms << NODE_BITS | self._span.node) << COUNT_BITS | self._count

    def _advance(self, now_ms: int) -> None:
        self._count += 1
        if now_ms > self._at_ms:
            self._at_ms, self._count = now_ms, 0
        elif self._count >> COUNT_BITS:
            self._at_ms, self._count = self._at_ms + 1, 0
        if self._at_ms >= self._span.until_ms or self._process != os.getpid():
            self._span = self._reserve(self._at_ms)
            self._at_ms, self._count = max(self._at_ms, self._span.from_ms), 0
            self._process = os.getpid()


def in_database(client: "Client") -> Uids:
    """Return the ids of all processes that reserve in this database, wherever they run.

    It has a table `uid_nodes`, and takes one write a minute of each process.
    """

    def reserve(now_ms: int) -> Span:
        parameters = {"now_ms": now_ms, "span_ms": SPAN_MS}
        _created, reserved = client.batch([CREATE, (RESERVE, parameters)])
        ((node,),) = reserved.rows
        assert isinstance(node, int)
        return Span(node=node, from_ms=now_ms, until_ms=now_ms + SPAN_MS)

    return Uids(reserve)


def in_file(path: Path) -> Uids:
    """Return the ids of all processes of one machine that reserve in this SQLite file."""

    def reserve(now_ms: int) -> Span:
        with closing(sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)) as connection:
            connection.execute(CREATE)
            parameters = {"now_ms": now_ms, "span_ms": SPAN_MS}
            ((node,),) = connection.execute(RESERVE, parameters).fetchall()
        return Span(node=node, from_ms=now_ms, until_ms=now_ms + SPAN_MS)

    return Uids(reserve)


def time_ms(uid: int) -> int:
    """Return when an id was made, in milliseconds since 1970."""
    return (uid >> NODE_BITS + COUNT_BITS) + EPOCH_MS
