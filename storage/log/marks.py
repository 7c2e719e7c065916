"""The items of a database that are no records; and the id of its log, which one of them has."""

from typing import NamedTuple, cast

from sqlatch.kernel.errors import StorageError
from storage.log.log import Gone
from storage.log.moments import Clocks, Moment
from storage.log.table import Item, Table
from storage.log.turn import TURN

LOG = TURN + 1
"""The key of the item that has the id of the log. It is the last of a database, so every question
that is answered to its end brings it."""

SURE_S = 5.0
"""How long a log is taken to be the one that it was: a table is not deleted and made again sooner.
After that time it is asked before an append, and behind one that took as long."""


class Marks(NamedTuple):
    """The items that a question brought beside records: whose turn it is, the id of the log."""

    turn: bytes | None = None
    log_id: bytes | None = None


def parted(items: list[Item]) -> tuple[list[Item], Marks]:
    """Return the records and the marks among the items of a database."""
    found = {item["sk"]: item for item in items[-2:]}
    turn, log = found.get(TURN, {}), found.get(LOG, {})
    marks = Marks(cast("bytes | None", turn.get("id")), cast("bytes | None", log.get("log")))
    return [item for item in items if cast("int", item["sk"]) < TURN], marks


class LogId:
    """The id of the log that a copy is of, and since when the table is known to have that log.

    A log that is deleted and made again under its name has another id. `value` is None as long as
    nothing was read of it.
    """

    def __init__(
        self,
        database: str,
        table: Table,
        clocks: Clocks,
        value: bytes | None,
        *,
        is_replicated: bool = False,
    ) -> None:
        self.value = value
        self._is_replicated = is_replicated
        self._database = database
        self._table = table
        self._clocks = clocks
        self._seen: Moment | None = None

    @property
    def is_sure(self) -> bool:
        return self._clocks.since(self._seen) < SURE_S

    def known_before(self, txid: int) -> int:
        """Return the record behind which to ask, by who has read up to `txid`.

        Who has read nothing of the log, but a snapshot, asks for the record of its own state too:
        the newest one is never removed, and says of which log it is.
        """
        return txid - (txid > 0 and self.value is None)

    def checked(self, items: list[Item], marks: Marks, txid: int, asked: Moment) -> list[Item]:
        """Return the records behind `txid` that a question at a moment brought; Gone if they are of
        another log."""
        # A question that was cut off has only the first records.
        log_id = marks.log_id or (cast("bytes", items[0]["log"]) if items else None)
        if log_id is None and self._is_replicated:
            log_id = self.value  # the item that has it has not arrived yet
        if self.value is None and txid > 0:
            if not items:
                raise StorageError(
                    f"the table {self._table.name!r} has no record {txid}: the files of the bucket"
                    " belong to another log; restore that one, or move them away"
                )
            self.value = log_id
            items = items[1:] if items[0]["sk"] == txid else items
        if log_id != self.value is not None:
            raise Gone(f"the log of the copy is not the one in the table {self._table.name!r}")
        self._seen = asked
        return items

    def begun(self, log_id: bytes) -> bytes:
        """Put the id of a log that begins, unless there is one. Return the one that is there."""
        there = self._table.put_new({"pk": self._database, "sk": LOG, "log": log_id})
        return log_id if there is None else cast("bytes", there["log"])

    def check(self, *, may_land: bool) -> None:
        """Check that the table has this log still, if there was time to make another.

        StorageError, whose outcome is unknown if a record `may_land` in that.
        """
        if self.value is None or self.is_sure:
            return
        asked = self._clocks.moment()
        item = self._table.get(self._database, LOG)
        if item is None or item["log"] != self.value:
            raise StorageError(
                f"the log in the table {self._table.name!r} was deleted, or made again; send the"
                " request again",
                outcome="unknown" if may_land else "nothing",
            )
        self._seen = asked
