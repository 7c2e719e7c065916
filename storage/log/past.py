"""The past of a database: copies that follow its history up to a moment, and no further."""

import heapq
import shutil
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import chain, groupby, islice, takewhile
from math import inf
from pathlib import Path
from typing import NoReturn

from sqlatch.kernel.errors import BadEvent, DatabaseNotFound, ReadOnly
from storage.engine import Commit, Moment, Position, Store, position_text
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, Archive, LtxFile, Start
from storage.log.log import Gone, Place, Record
from storage.log.pack import Packed, PackFile
from storage.log.replica import Replica

PASTS_MAX = 4
"""So many positions of one database are kept open: each is a copy on the local disk."""

MOMENTS_KEPT = 64


class History:
    """The states of one database that can still be read.

    The newest records are in the log, those before in packs, and the files have the states at which
    they end. Deadlines are in epoch seconds.
    """

    def __init__(self, replica: Replica) -> None:
        self.name = replica.name
        self.archive = replica.archive
        self.open_log = replica.open_log
        self._now = replica.now
        self._replica = replica

    def position_at(self, moment: Moment, deadline_s: float) -> int:
        """Return the position of a moment: of a time, the last one before anything later.

        BadEvent where the database did not exist yet, or nothing is kept from so long ago.
        """
        if moment.position is not None:
            return moment.position
        at_ms = moment.at_ms
        if at_ms > self._now() * 1000:
            raise BadEvent(f"{moment} has not come yet: leave `at` out", field="at")
        packs = self.archive.packs.all()
        later = next((pack for pack in packs if pack.latest_ms > at_ms), None)
        records = self.archive.packs.read(later) if later else self.unpacked(packs, deadline_s)
        passed = [pack.last for pack in packs if pack.latest_ms <= at_ms]
        passed += [record.txid for record in takewhile(lambda one: one.at_ms <= at_ms, records)]
        last = max(passed, default=0)
        behind = [file for file in _led_to(self.archive.files()) if file.last > last]
        if count := bisect_right(behind, at_ms, key=lambda file: file.made_ms()):
            last = behind[count - 1].last
        if not last:
            raise not_kept(self.name, f"nothing of {moment}")
        return last

    def start_at(self, position: int) -> Start | None:
        """Return the files that lead furthest up to a position; DatabaseNotFound if the database
        was deleted there."""
        start = self.archive.start_up_to(position)
        if start is not None and _is_deleted_at(start, position):
            raise DatabaseNotFound(
                f"at position {position_text(position)} there was no database {self.name!r}: it was"
                " deleted there"
            )
        return start

    def newest(self, deadline_s: float) -> int:
        """Return the newest position; 0 if there is no database."""
        self._replica.catch_up(deadline_s)
        return self._replica.txid

    def commits(self, before: float, most: int, deadline_s: float) -> list[Commit]:
        """Return the newest states that can be read, of those before a position."""
        states = heapq.merge(
            self._of_records(before, deadline_s), self._of_files(before), key=_newest_first
        )
        return [next(same) for _position, same in islice(groupby(states, _newest_first), most)]

    def _of_records(self, before: float, deadline_s: float) -> Iterator[Commit]:
        packs = self.archive.packs.all()
        newest_first = sorted(packs, key=lambda pack: pack.last, reverse=True)
        read = (self.archive.packs.read(pack) for pack in newest_first if pack.first < before)
        for records in chain([self.unpacked(packs, deadline_s)], read):
            for record in reversed(records):
                if record.txid < before:
                    before = record.txid
                    yield Commit(Position(record.txid), record.at_ms, len(record.content))

    def _of_files(self, before: float) -> Iterator[Commit]:
        for file in reversed(list(_led_to(self.archive.files()))):
            if file.last < before and not file.holds_nothing:
                yield Commit(Position(file.last), file.at_ms, None)

    def unpacked(self, packs: list[PackFile], deadline_s: float) -> list[Packed]:
        """Return the records that are only in the log."""
        start = self.archive.start()
        ends = [pack.last for pack in packs] or [start.last if start else 0]
        return list(self._in_log(max(ends), deadline_s))

    def kept(self, deadline_s: float) -> Iterator[Packed]:
        """Yield every record that is kept, one after the other."""
        packs = self.archive.packs.all()
        for pack in packs:
            yield from self.archive.packs.read(pack)
        yield from self.unpacked(packs, deadline_s)

    def behind(self, txid: int, deadline_s: float) -> Iterator[Packed]:
        """Yield the records behind a transaction, one after the other; Gone if one is not kept."""
        for pack in self.archive.packs.all():
            if pack.last > txid:
                for record in self.archive.packs.read(pack):
                    if record.txid == txid + 1:
                        txid += 1
                        yield record
        for record in self._in_log(txid, deadline_s):
            if record.txid != txid + 1:
                raise Gone(f"record {txid + 1} is not kept")
            txid += 1
            yield record

    def _in_log(self, txid: int, deadline_s: float) -> Iterator[Packed]:
        """Yield the records of the log, those behind a snapshot if it goes on behind one."""
        with closing(self.open_log(Place(epoch=0, offset=0, txid=txid), None)) as log:
            try:
                has_more = True
                while has_more:
                    records = log.sync(deadline_s)
                    has_more = log.has_more
                    for each in records:
                        txid, at_ms = each.txid, ltx.header_of(each.content).at_ms
                        yield Packed(txid, at_ms, each.content)
            except Gone as gone:
                start = self.archive.start_of(gone.base)
                if start is None or start.last <= txid:
                    raise
                yield from self._in_log(start.last, deadline_s)


def _led_to(files: list[LtxFile]) -> Iterator[LtxFile]:
    """Yield the files that lead to the state with which they end, oldest first."""
    reached: float = inf
    for file in sorted(files, key=lambda file: (file.last, -file.level)):
        if file.level == SNAPSHOT_LEVEL or file.first <= reached + 1 <= file.last:
            reached = file.last
            yield file


def _is_deleted_at(start: Start, position: int) -> bool:
    return start.snapshot.holds_nothing and start.snapshot.last == position


def _newest_first(commit: Commit) -> int:
    return -commit.position


class PastLog:
    """The log of a database, which ends with a position. See `Log`."""

    goes_first = False
    has_more = False
    database_id: bytes | None = None

    def __init__(self, history: History, position: int, place: Place) -> None:
        self._history = history
        self._archive = PastArchive(history.archive, position)
        self._position = position
        self.place = place

    def sync(self, deadline_s: float) -> list[Record]:
        """Return what leads to the position; BadEvent if nothing does any more."""
        txid, position = self.place.txid, self._position
        if txid == position:
            return []
        name = self._history.name
        try:
            wanted = takewhile(
                lambda record: record.txid <= position, self._history.behind(txid, deadline_s)
            )
            records = [_record(each) for each in wanted]
        except Gone as gone:
            start = self._archive.start_of(gone.base)
            if start is not None and start.last > txid:
                raise  # a snapshot that was taken in only now
            raise not_kept(name, f"no position {position_text(position)}") from gone
        if not records or records[-1].txid < position:
            newest = position_text(records[-1].txid if records else txid)
            raise not_kept(
                name, f"no position {position_text(position)}, only what leads to {newest}"
            )
        self.place = records[-1].end
        return records

    def ready(self, deadline_s: float, *, fence: int, seal: bool) -> NoReturn:
        raise ReadOnly.of_the_past()

    def append(self, commit_id: bytes, content: bytes) -> NoReturn:
        raise ReadOnly.of_the_past()

    def replace(self, base: bytes) -> NoReturn:
        raise ReadOnly.of_the_past()

    def outcome(self, txid: int, commit_id: bytes, deadline_s: float) -> NoReturn:
        raise ReadOnly.of_the_past()

    def close(self) -> None:
        """Nothing is open."""


class PastArchive(Archive):
    """The files of a database that lead up to a position."""

    def __init__(self, archive: Archive, position: int) -> None:
        super().__init__(archive.directory)
        self._archive = archive
        self._position = position

    def files(self) -> list[LtxFile]:
        return self._archive.files()

    def start_of(self, base: bytes) -> Start | None:
        if base:
            self._archive.adopt(base)
        return self.start_up_to(self._position)


class Pasts:
    """The positions of one database that were read last, each with a copy of its own."""

    def __init__(self, replica: Replica, open_store: Callable[[Replica], Store]) -> None:
        self._replica = replica
        self._history = History(replica)
        self._open_store = open_store
        self._positions: dict[Moment, int] = {}
        self._open: dict[int, tuple[Replica, Store]] = {}
        for left in self._directory.parent.glob(f"{self._directory.name}@*"):
            shutil.rmtree(left, ignore_errors=True)

    def at(self, moment: Moment, deadline_s: float) -> Store:
        """Return the database at a moment."""
        position = self._positions.get(moment)
        if position is None:
            position = self._history.position_at(moment, deadline_s)
            if len(self._positions) >= MOMENTS_KEPT:
                self._positions.clear()
            self._positions[moment] = position
        if position not in self._open:
            while len(self._open) >= PASTS_MAX:
                self._close(next(iter(self._open)))
            self._history.start_at(position)
            replica = self._replica_at(position)
            self._open[position] = replica, self._open_store(replica)
        self._open[position] = self._open.pop(position)
        return self._open[position][1]

    def close(self) -> None:
        """Close what is open, and remove its copies."""
        for position in list(self._open):
            self._close(position)

    @property
    def _directory(self) -> Path:
        return self._replica.file.path.parent

    def _replica_at(self, position: int) -> Replica:
        return Replica(
            self._replica.name,
            self._directory.with_name(f"{self._directory.name}@{position_text(position)}"),
            lambda place, _log_id: PastLog(self._history, position, place),
            PastArchive(self._history.archive, position),
            now=self._replica.now,
            work=self._replica.work,
        )

    def _close(self, position: int) -> None:
        replica, store = self._open.pop(position)
        store.close()
        shutil.rmtree(replica.file.path.parent, ignore_errors=True)


def _record(packed: Packed) -> Record:
    return Record(packed.txid, b"", packed.content, Place(epoch=0, offset=0, txid=packed.txid))


def not_kept(name: str, what: str) -> BadEvent:
    return BadEvent(
        f"the history of database {name!r} has {what}: `sqlatch history {name}` shows what it has",
        field="at",
    )
