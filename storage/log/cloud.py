"""The engine that keeps each database as a log in DynamoDB and S3: the first to commit wins."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from sqlatch.kernel.errors import StorageError
from storage import copies
from storage.engine import Commit, Moment, Position, Work
from storage.engine import Table as Ours
from storage.log.answers import NoAnswer
from storage.log.archive import Archive
from storage.log.bucket_archive import BucketArchive
from storage.log.dynamodb import EPOCH, LARGE, DynamoLog
from storage.log.log import BEGINNING, HISTORY_S, Conflict, Gone, InDoubt, Place, base_name
from storage.log.names import Names, is_database
from storage.log.objects import Objects, answered_in_time
from storage.log.replica import Replica
from storage.log.slots import Slot
from storage.log.table import Item, Table
from storage.log.timeline import Timeline

ADD_S = 10.0
"""The time for the question whether a database is there that was to be added."""


class InTable:
    """The databases of a table and a bucket, and their copies, which are this machine's."""

    needs_lease = False

    def __init__(
        self, table: Table, objects: Objects, slot: Slot, history_s: float = HISTORY_S
    ) -> None:
        self.work = Work()
        self._history_s = history_s
        self._table = table
        self._objects = objects
        self._slot = slot
        self._names = Names(table)
        self._replicas: dict[str, Replica] = {}

    def open(self, name: str, *, table: Ours, now: Callable[[], float]) -> Timeline:
        return Timeline(name, self._replica(name, now), table=table, now=now)

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

    def add(self, name: str, copy: Path) -> None:
        from storage.log.replacement import lay_ready

        scratch = self._slot.path / f"{name}.arriving"
        self._begin(name, partial(lay_ready, copy, scratch, at_ms=int(time.time() * 1000)))

    def history(
        self, name: str, *, before: Position | None, most: int, deadline_s: float
    ) -> list[Commit]:
        from storage.log.past import History

        return History(self._replica(name, time.time)).commits(before, most, deadline_s)

    def branch(self, name: str, to: str, moment: Moment | None, deadline_s: float) -> Position:
        from storage.log.branch import branch

        begin = partial(self._begin, to)
        return branch(self._replica(name, time.time), moment, deadline_s, begin)

    def _begin(self, name: str, lay: Callable[[Archive, bytes, int], None]) -> None:
        """Have a snapshot laid ready, and begin the log with a record that names it."""
        from storage.log.replacement import check_no_files

        newest = answered_in_time(partial(self._names.newest, name))
        if is_database(newest):
            raise copies.is_taken(name)
        place, log_id = _behind(newest)
        log = self._log(name, time.time, place, log_id)
        if self._goes_on(log):
            raise copies.is_taken(name)
        archive, base, txid = self._archive(name), base_name(), place.txid + 1
        if newest is None:
            check_no_files(archive)
        lay(archive, base, txid)
        try:
            log.replace(base)
        except Conflict as error:
            raise copies.is_taken(name) from error
        except InDoubt as error:
            if not self._has_begun(log, txid, base):
                raise copies.is_taken(name) from error

    def _replica(self, name: str, now: Callable[[], float]) -> Replica:
        if name not in self._replicas:
            self._replicas[name] = Replica(
                name,
                self._slot.path / name,
                partial(self._log, name, now),
                self._archive(name),
                now=now,
                work=self.work,
            )
        return self._replicas[name]

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

        files = partial(self._archive, name, keeps_list=True)
        with tended(files, name, deadline_s) as archive:
            try:
                floor = self._compact(name, archive, deadline_s)
            except Gone as gone:
                # It goes on behind a snapshot that is not among the others yet.
                archive.adopt(gone.base)
                with _gap_told(name):
                    floor = self._compact(name, archive, deadline_s)
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
        return DynamoLog(name, self._table, self._objects, at=place, database_id=log_id, now=now)

    def _inline_bytes(self, name: str) -> int:
        with _answered():
            records = self._table.behind(name, 0)
            return sum(len(cast("bytes", record.get("d", b""))) for record in records)


def in_table(
    table: str, bucket: str, prefix: str, copies: Path, history_s: float = HISTORY_S
) -> InTable:
    """Return the engine of a table and of the objects below a prefix."""
    slot = Slot(f"dynamodb:{table},s3://{bucket}/{prefix}", copies)
    return InTable(Table(table), Objects(bucket, prefix), slot, history_s)


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


@contextmanager
def _gap_told(name: str) -> Iterator[None]:
    try:
        yield
    except Gone as error:
        raise StorageError(
            f"the log of database {name!r} goes on only later than its files end, and the bucket"
            f" has no file that leads there: {error}"
        ) from error
