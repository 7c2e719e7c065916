"""The history of a database: the states of it that can be read, and the records that lead there."""

import heapq
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from itertools import chain, groupby, islice, takewhile
from math import inf

from sqlatch.kernel.errors import BadEvent, DatabaseNotFound
from storage.engine import Commit, Moment, Position, position_text
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, LtxFile, Start
from storage.log.log import PIECE_BYTES, Gone, Place
from storage.log.pack import Packed, PackFile
from storage.log.replica import Replica


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
        self.scratch = replica.file.path.parent
        """A directory on the local disk."""
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
            for commit in reversed([_commit(record) for record in records]):
                if commit.position < before:
                    before = commit.position
                    yield commit

    def _of_files(self, before: float) -> Iterator[Commit]:
        for file in reversed(list(_led_to(self.archive.files()))):
            if file.last < before and not file.holds_nothing:
                yield Commit(Position(file.last), file.at_ms, None)

    def unpacked(self, packs: list[PackFile], deadline_s: float) -> Iterator[Packed]:
        """Return the records that are only in the log, one after the other."""
        start = self.archive.start()
        ends = [pack.last for pack in packs] or [start.last if start else 0]
        return self._in_log(max(ends), deadline_s)

    def piece(self, txid: int, position: int, deadline_s: float) -> list[Packed]:
        """Return the first records that lead from a transaction to a position, of about
        PIECE_BYTES; Gone, BadEvent if nothing leads there any more."""
        found, size_bytes = list[Packed](), 0
        for record in self.behind(txid, deadline_s):
            if record.txid > position or size_bytes >= PIECE_BYTES:
                return found
            found.append(record)
            size_bytes += len(record.content)
        if (newest := found[-1].txid if found else txid) < position:
            raise not_kept(
                self.name,
                f"no position {position_text(Position(position))}, only what leads to"
                f" {position_text(Position(newest))}",
            )
        return found

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


def _commit(record: Packed) -> Commit:
    return Commit(Position(record.txid), record.at_ms, len(record.content))


def _newest_first(commit: Commit) -> int:
    return -commit.position


def not_kept(name: str, what: str) -> BadEvent:
    return BadEvent(
        f"the history of database {name!r} has {what}: `sqlatch history {name}` shows what it has",
        field="at",
    )
