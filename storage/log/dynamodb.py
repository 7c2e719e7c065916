"""The log of one database as items of a DynamoDB table, one for each record.

The append of record n + 1 is one conditional put, which succeeds once, for whoever is first. So the
key is the fence: no lease is needed. Who loses gets the winner's record with the refusal.
"""

import random
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar, cast

from sqlatch.kernel.errors import StorageError
from storage.log.answers import NoAnswer, until_answered
from storage.log.courtesy import Courtesy
from storage.log.floor import Floor, arrived
from storage.log.log import (
    BASE_BYTES,
    BEGINNING,
    COMMIT_ID_BYTES,
    PIECE_BYTES,
    Conflict,
    Gone,
    InDoubt,
    Place,
    Record,
)
from storage.log.marks import SURE_S, LogId, parted
from storage.log.moments import Clocks, Moment, boot_s
from storage.log.names import Names
from storage.log.objects import Objects
from storage.log.table import Item, Table, first_of

T = TypeVar("T")

LARGE = "large"
"""The objects of large records, `<database>/large/<txid>-<commit id>.ltx`."""

INLINE_BYTES_MAX = 380_000
"""DynamoDB takes items of 400 KB, names and numbers included."""

KEEP_S = 3_600.0
"""How long a record is there at least after it was seen, which is after it was made."""
STALE_S = KEEP_S / 2

EPOCH = 1
"""The same for every place: there are no segments."""


class DynamoLog:
    """See `Log`. `at` is where a copy stands; that of a snapshot has its txid, and epoch 0.

    An item that was deleted refuses nothing. So the table has one that says up to where records may
    be deleted, and it is read by whoever has not known for STALE_S that its place was the newest:
    before it believes a record, and before it takes its own for appended.

    With `is_replicated` the table is a replica that another region writes to, of which items come
    in any order: a record that is missing has not arrived yet.
    """

    def __init__(
        self,
        database: str,
        table: Table,
        objects: Objects,
        *,
        at: Place = BEGINNING,
        database_id: bytes | None = None,
        is_replicated: bool = False,
        now: Callable[[], float],
        boot: Callable[[], float] = boot_s,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._table = table
        self._objects = objects
        self._place = at
        self._now = now
        self._clocks = Clocks(epoch=now, boot=boot)
        self._log_id = LogId(
            database, table, self._clocks, database_id, is_replicated=is_replicated
        )
        self._sleep = sleep
        self._chance = chance
        self._floor = Floor(database, table)
        self._is_replicated = is_replicated
        self._courtesy = Courtesy(database, table, now=now, sleep=sleep, chance=chance)
        self._known: Moment | None = None
        self._sent: Moment | None = None
        self._unanswered: Item | None = None
        self._may_land = False
        self._has_more = False

    @property
    def place(self) -> Place:
        return self._place

    @property
    def database_id(self) -> bytes | None:
        """The id that every record of the log has; None if none was read."""
        return self._log_id.value

    @property
    def goes_first(self) -> bool:
        is_fresh = self._clocks.since(self._known) < SURE_S
        return self._courtesy.goes_first and is_fresh and self._log_id.is_sure

    @property
    def has_more(self) -> bool:
        return self._has_more

    def sync(self, deadline_s: float) -> list[Record]:
        asked, txid = self._clocks.moment(), self._place.txid
        known = self._log_id.known_before(txid)
        behind = partial(self._table.behind, self._database, known, pages=PIECE_BYTES >> 20)
        found, marks = parted(self._until(deadline_s, behind))
        found = self._log_id.checked(found, marks, txid, asked)
        if found and self._is_stale():
            self._until(deadline_s, partial(self._floor.check_reaches_back, txid))
        if self._is_replicated:
            found = arrived(found, txid, self._floor, self._has)
        items = first_of(found, PIECE_BYTES)
        records = self._until(deadline_s, partial(self._records, items))
        # The marks come behind the last record.
        self._has_more = bool(items) and (marks.log_id is None or len(items) < len(found))
        if not self._has_more:
            self._known = asked
            self._courtesy.asked(marks.turn, has_news=bool(records))
        return records

    def ready(self, deadline_s: float, *, fence: int, seal: bool) -> list[Record]:
        place = self._place
        try:
            return self._courtesy.ready(self.sync, deadline_s)
        except BaseException:
            self._place = place
            raise

    def append(self, commit_id: bytes, content: bytes) -> None:
        self._append(self._item(commit_id, content))

    def replace(self, base: bytes) -> None:
        """Append a record that has nothing but the name of the snapshot."""
        self._append({**self._item(base, b""), "base": base})

    def _append(self, item: Item) -> None:
        self._unanswered = item
        self._may_land = False
        self._courtesy.appends()
        self._sent = self._clocks.moment()
        try:
            winner = self._put(item)
        except NoAnswer as error:
            raise InDoubt(str(error)) from error
        if winner is not None:
            raise Conflict("another commit was first", self._taken(winner))
        end = Place(EPOCH, 0, self._place.txid + 1)
        self._log_id.value = cast("bytes", item["log"])
        self._place, self._known, self._unanswered = end, self._sent, None
        self._courtesy.committed()

    def outcome(self, txid: int, commit_id: bytes, deadline_s: float) -> tuple[bool, list[Record]]:
        """The same put again: it succeeds, or is refused, perhaps by its own record."""
        item = self._unanswered
        if item is None and len(commit_id) == BASE_BYTES:
            found = self._until(deadline_s, partial(self._table.get, self._database, txid))
            return found is not None and found["id"] == commit_id, self.sync(deadline_s)
        if item is None:
            # It was appended, but an interruption took the place of the answer.
            self._place = Place(EPOCH, 0, txid - 1)
            records, self._has_more = self.sync(deadline_s), False
            return (txid, commit_id) in {(each.txid, each.commit_id) for each in records}, records
        assert (item["sk"], item["id"]) == (txid, commit_id), "the record of the last append"
        try:
            winner = self._until(deadline_s, partial(self._put, item))
        except StorageError as error:
            error.facts.setdefault("outcome", "unknown" if self._may_land else "nothing")
            raise
        self._unanswered = None
        if winner is not None:
            return False, self._taken(winner)
        # It may have been put by the first of these, and others behind it.
        self._known = self._sent
        self._courtesy.committed()
        return True, self._records([item])

    def remove(self, floor: int, deadline_s: float) -> int:
        """Remove every record up to `floor`, which files have had for KEEP_S. Return the floor.

        The newest record stays. The item 0 says so first. What was put into the void is removed.
        """
        floor = min(floor, self._place.txid - 1)
        if floor > 0:
            self._until(deadline_s, partial(self._floor.raise_to, floor))
            removes = partial(self._floor.remove_some, floor)
            while self._until(deadline_s, removes) and self._now() < deadline_s:
                pass
        return floor

    def close(self) -> None:
        """Nothing is open but the connections of the table, which others use too."""

    def _put(self, item: Item) -> Item | None:
        """Put a record. Return the one that is in the way, unless it is the same."""
        if item["sk"] == 1:
            Names(self._table).put(self._database)
            item["log"] = self._log_id.begun(cast("bytes", item["log"]))
        self._log_id.check(may_land=self._may_land)
        if "s3" in item:
            # Only the item commits: an object that none names is removed some day.
            self._objects.put(cast("str", item["s3"]), cast("bytes", item["content"]))
        try:
            winner = self._table.put_new({key: item[key] for key in item if key != "content"})
        except NoAnswer as error:
            self._may_land |= error.may_land
            raise
        if winner is None or self._is_same(winner, item):
            winner, self._may_land = None, True
        self._log_id.check(may_land=self._may_land)
        if self._may_land and self._is_stale():
            # It may have been put before, and removed since.
            self._floor.check_was_first(cast("int", item["sk"]))
        if winner is not None:
            self._courtesy.lost()
        return winner

    def _is_same(self, winner: Item, item: Item) -> bool:
        """Return whether a record was refused by itself: it had been put, its answer was lost."""
        return winner["id"] == item["id"]

    def _taken(self, winner: Item) -> list[Record]:
        """Return the winner's record, as one that was read, if it can be believed and is here."""
        if self._is_stale() or "s3" in winner:
            return []
        try:
            return self._records([winner])
        except Gone:
            return []

    def _records(self, items: list[Item]) -> list[Record]:
        txid = self._place.txid
        for item in items:
            txid += 1
            if item["sk"] != txid:
                raise Gone(f"the table {self._table.name!r} has no record {txid} any more")
            if self._log_id.value is None:
                self._log_id.value = cast("bytes", item["log"])
            if item["log"] != self._log_id.value:
                raise Gone(f"record {txid} belongs to another log than the copy")
            if "by" in item:
                self._courtesy.saw(cast("bytes", item["by"]))
        if bases := [cast("bytes", item["base"]) for item in items if "base" in item]:
            raise Gone("the log goes on behind a snapshot", bases[-1])
        records = [self._record(item) for item in items]
        if records:
            self._place = records[-1].end
        return records

    def _record(self, item: Item) -> Record:
        txid, commit_id = cast("int", item["sk"]), cast("bytes", item["id"])
        content = item.get("content", item.get("d"))
        if content is None:
            key = cast("str", item["s3"])
            content = self._objects.get(key)
            if content is None:
                raise Gone(f"record {txid} is the object {key}, which is not in the bucket")
        return Record(txid, commit_id, cast("bytes", content), Place(EPOCH, 0, txid))

    def _has(self, item: Item) -> bool:
        """Return whether all of a record is there: of a large one, its object too."""
        return "s3" not in item or bool(self._objects.get(cast("str", item["s3"]), 0, 1))

    def _item(self, commit_id: bytes, content: bytes) -> Item:
        txid = self._place.txid + 1
        item: Item = {
            "pk": self._database,
            "sk": txid,
            "id": commit_id,
            "log": self._log_id.value or commit_id.ljust(COMMIT_ID_BYTES, b"\0"),
            "by": self._courtesy.writer,
            "ms": int(self._now() * 1000),
        }
        if len(content) <= INLINE_BYTES_MAX:
            return {**item, "d": content}
        key = f"{self._database}/{LARGE}/{txid:016x}-{commit_id.hex()}.ltx"
        return {**item, "s3": key, "n": len(content), "content": content}

    def _until(self, deadline_s: float, ask: Callable[[], T]) -> T:
        return until_answered(
            ask, deadline_s, now=self._now, sleep=self._sleep, chance=self._chance
        )

    def _is_stale(self) -> bool:
        return self._clocks.since(self._known) > STALE_S
