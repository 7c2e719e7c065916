"""The engine that keeps each database as a log in DynamoDB and S3: the first to commit wins."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from storage import copies
from storage.log.answers import NoAnswer
from storage.log.bucket_archive import BucketArchive
from storage.log.dynamodb import EPOCH, LARGE, DynamoLog
from storage.log.log import BEGINNING, HISTORY_S, Conflict, Gone, InDoubt, Place
from storage.log.logs import Logs
from storage.log.names import Names, is_database
from storage.log.objects import Objects, answered_in_time
from storage.log.slots import Slot
from storage.log.table import Item, Table

ADD_S = 10.0
"""The time for the question whether a database is there that was to be added."""


class InTable(Logs):
    """The databases of a table and a bucket, and their copies, which are this machine's."""

    needs_lease = False
    poll_s = 0.25  # each look is a call

    def __init__(
        self,
        table: Table,
        objects: Objects,
        slot: Slot,
        history_s: float = HISTORY_S,
        *,
        is_replicated: bool = False,
    ) -> None:
        super().__init__(slot, history_s)
        self._is_replicated = is_replicated
        self._table = table
        self._objects = objects
        self._names = Names(table)

    def names(self) -> list[str]:
        with _answered():
            return self._names.all()

    def sizes_bytes(self) -> dict[str, int]:
        """The bytes of the objects, and of the records that are in the table.

        The bucket is asked even if there is no database: its absence is told here.
        """
        sizes = {name: self._inline_bytes(name) for name in self.names()}
        with _answered():
            for found in self._objects.list():
                name = found.key.partition("/")[0]
                if name in sizes:
                    sizes[name] += found.size_bytes
        return sizes

    def _beginning(self, name: str) -> tuple[int, Callable[[bytes], bool]]:
        newest = answered_in_time(partial(self._names.newest, name))
        if is_database(newest):
            raise copies.is_taken(name)
        place, log_id = _behind(newest)
        log = self._log(name, time.time, place, log_id)
        if self._goes_on(log):
            raise copies.is_taken(name)

        def begin(base: bytes) -> bool:
            try:
                log.replace(base)
            except Conflict:
                return False
            except InDoubt:
                return self._has_begun(log, place.txid + 1, base)
            return True

        return place.txid, begin

    def forget_deleted(self, before_s: float) -> int:
        from storage.log.removal import forget_some

        with _answered():
            deleted = self._names.deleted()
        return forget_some(self, deleted, self._archive, before_s)

    def _goes_on(self, log: DynamoLog) -> bool:
        try:
            return bool(log.sync(time.time() + ADD_S))
        except Gone:
            return True

    def _has_begun(self, log: DynamoLog, txid: int, base: bytes) -> bool:
        try:
            return log.outcome(txid, base, time.time() + ADD_S)[0]
        except Gone as gone:
            return gone.base == base

    def tend(self, name: str, deadline_s: float) -> None:
        """Merge what the log has into files, and remove records that nobody needs any more.

        Timeout if a snapshot is due that was not written by the deadline.
        """
        from storage.log.compaction import tended
        from storage.log.keeping import keep_base, with_snapshots_taken_in

        files = partial(self._archive, name, keeps_list=True)
        with tended(files, name, deadline_s) as archive:
            compact = partial(self._compact, name, archive, deadline_s)
            taken_in = partial(keep_base, archive)
            floor = with_snapshots_taken_in(archive, name, compact, taken_in=taken_in)
            self._delete_large(name, floor)

    def _compact(self, name: str, archive: BucketArchive, deadline_s: float) -> int:
        """Merge and remove; return the number of the last record that was removed."""
        from storage.log.compaction import compact, take_in_all

        start = archive.start()
        place = Place(epoch=0, offset=0, txid=start.last if start else 0)
        log = self._log(name, time.time, place, None)
        take_in_all(archive, log, deadline_s)
        floor = compact(archive, time.time())
        return log.remove(floor, deadline_s)

    def _delete_large(self, name: str, floor: int) -> None:
        """Delete the objects of records that were removed, and of those that lost their race."""
        if floor <= 0:
            return
        prefix = f"{name}/{LARGE}/"
        for each in answered_in_time(lambda: list(self._objects.list(prefix))):
            if int(each.key.removeprefix(prefix)[:16], 16) <= floor:
                answered_in_time(partial(self._objects.delete, each.key))

    def _archive(
        self, name: str, check: Callable[[], None] = lambda: None, *, keeps_list: bool = False
    ) -> BucketArchive:
        return BucketArchive(
            self._objects, name, check, keeps_list=keeps_list, history_s=self._history_s
        )

    def _log(
        self, name: str, now: Callable[[], float], place: Place, log_id: bytes | None
    ) -> DynamoLog:
        return DynamoLog(
            name, self._table, self._objects, at=place, database_id=log_id,
            is_replicated=self._is_replicated, now=now,
        )  # fmt: skip

    def _inline_bytes(self, name: str) -> int:
        with _answered():
            records = self._table.behind(name, 0)
            return sum(len(cast("bytes", record.get("d", b""))) for record in records)


def in_table(
    table: str,
    bucket: str,
    prefix: str,
    copies: Path,
    history_s: float = HISTORY_S,
    *,
    is_replicated: bool = False,
) -> InTable:
    """Return the engine of a table and of the objects below a prefix.

    They may be replicas of those that another region writes to.
    """
    slot = Slot(f"dynamodb:{table},s3://{bucket}/{prefix}", copies)
    objects = Objects(bucket, prefix)
    return InTable(Table(table), objects, slot, history_s, is_replicated=is_replicated)


def _behind(newest: Item | None) -> tuple[Place, bytes | None]:
    """Return the place behind the newest record, and the id of its log."""
    if newest is None:
        return BEGINNING, None
    return Place(EPOCH, 0, cast("int", newest["sk"])), cast("bytes", newest["log"])


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except NoAnswer as error:
        raise error.as_error("the log") from error
