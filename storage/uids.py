"""The SQL function uid(): ids of 64 bits that sort by time and never repeat in a database.

    63      22 21    10 9      0
    +---------+--------+-------+
    | time_ms |  4095  | count |
    +---------+--------+-------+

The form is that of `sqlatch.uid`, of which no process gets that node. The last id that was drawn is
kept in the database, by the transaction that drew it: so the next one is greater, at whatever
instance and by whatever clock.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import apsw

from sqlatch.kernel.errors import StatementError
from sqlatch.kernel.values import Value
from storage.policy import firing_nothing

if TYPE_CHECKING:
    from storage.connection import Session
    from storage.pins import Pins

EPOCH_MS = 1_735_689_600_000
"""2025-01-01T00:00:00Z."""

COUNT_BITS = 10
NODE_BITS = 12
NODE = (1 << NODE_BITS) - 1
TIME_MAX = (1 << 63 - NODE_BITS - COUNT_BITS) - 1

FLAGS = apsw.SQLITE_INNOCUOUS
"""It may stand in a schema: DEFAULT (uid())."""

TABLE = "sqlatch_uid"
CREATE = """
CREATE TABLE IF NOT EXISTS sqlatch_uid (
    one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL
) STRICT, WITHOUT ROWID
"""
"""Without a rowid: it is not seen in last_insert_rowid()."""
FIND = "SELECT last FROM sqlatch_uid"
KEEP = "INSERT OR REPLACE INTO sqlatch_uid (one, last) VALUES (1, ?)"

IN_A_READ = (
    "uid() is for a statement that writes: the next id is kept with it; ask for it by INSERT ..."
    " VALUES (uid(), ...) RETURNING id"
)
USED_UP = "uid() is past its last id, of the year 2094: the last one is in the table sqlatch_uid"


class Uids:
    """The ids that the statements of one connection draw.

    `last` is the last one of the transaction that is open, None if it has drawn none.
    """

    def __init__(
        self, session: "Session", *, now: Callable[[], float], pins: "Pins | None"
    ) -> None:
        self._session = session
        self._now = now
        self._pins = pins
        self.last: int | None = None

    def draw(self, *_none: Value) -> int:
        """Return the next id."""
        connection = self._session.connection
        if connection.readonly("main"):
            raise StatementError(IN_A_READ)
        if self.last is None:
            self.last = 0
            if connection.table_exists("main", TABLE):
                self.last = max([0, *(cast("int", last) for (last,) in self._session.run(FIND))])
        self.last = behind(self.last, self._now_ms())
        return self.last

    def keep(self) -> None:
        """Keep the last id, in the transaction that is about to be committed."""
        if self.last is not None:
            with firing_nothing(self._session.connection):
                self._session.run(CREATE)
                self._session.run(KEEP, self.last)

    def _now_ms(self) -> int:
        """Return the time; that of the pins where statements are run again."""
        return int(self._now() * 1000) if self._pins is None else self._pins.at_ms


def behind(last: int, now_ms: int) -> int:
    """Return the first id that is greater than the last one, and not before that time."""
    since_ms = max(now_ms - EPOCH_MS, 0)
    first = _first_of(since_ms)
    if first <= last:
        is_of_node = last >> COUNT_BITS & NODE == NODE
        is_last = last + 1 & (1 << COUNT_BITS) - 1 == 0
        since_ms = last >> NODE_BITS + COUNT_BITS
        first = last + 1 if is_of_node and not is_last else _first_of(since_ms + 1)
    if first >> NODE_BITS + COUNT_BITS > TIME_MAX:
        raise StatementError(USED_UP)
    return first


def _first_of(since_ms: int) -> int:
    return (since_ms << NODE_BITS | NODE) << COUNT_BITS
