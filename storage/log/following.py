"""Reading on in the segments of a log, from a place."""

import time
from bisect import bisect_right
from collections.abc import Callable

from sqlatch.kernel.errors import DatabaseCorrupt
from storage.log.chain import Chain
from storage.log.log import PIECE_BYTES, Gone, Place, Record
from storage.log.segment import HEADER_BYTES, SEALED_BYTES, Segment


class Following:
    """The place of an instance in a log, and the segment that is open there.

    `at` is where a copy stands; that of a snapshot has its txid, and epoch 0.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        at: Place,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.place = at
        self.segment: Segment | None = None
        self.has_tail = False
        """There is more in the segment than whole records."""
        self.has_more = False
        """The last reading ended before the newest record."""
        self._chain = chain
        self._now = now
        self._sleep = sleep

    @property
    def opened(self) -> Segment:
        assert self.segment is not None, "sync() or ready() comes first"
        return self.segment

    def close(self) -> None:
        segment, self.segment = self.segment, None
        if segment is not None:
            segment.close()

    def read_on(self, deadline_s: float) -> list[Record]:
        """Return what is behind the place, of about PIECE_BYTES, and move there; Gone."""
        records: list[Record] = []
        self.collect(records, deadline_s, PIECE_BYTES)
        return records

    def collect(
        self, records: list[Record], deadline_s: float, size_bytes: float = float("inf")
    ) -> None:
        """Add what is behind the place, and move there. Gone where the log goes on behind a
        snapshot: what is before that was added."""
        txid, self.has_more = self.place.txid, False
        if self.segment is None and not self._find_place():
            return
        while (successor := self._read_segment(records, deadline_s, txid)) is not None:
            self._enter(successor)
            if sum(len(record.content) for record in records) >= size_bytes:
                self.has_more = True
                return
        if self.place.txid < txid:
            raise DatabaseCorrupt(
                f"the log ends with record {self.place.txid}, but there is a snapshot of record"
                f" {txid}: {self._chain.directory}"
            )

    def _read_segment(self, records: list[Record], deadline_s: float, txid: int) -> Segment | None:
        """Add what is new in a segment, behind `txid`. Return the next segment if it is sealed."""
        segment, base = self.opened, b""
        found = segment.new_records(self.place)
        self.has_tail = False
        if found is None:
            return None
        length_bytes = segment.length_bytes()
        successor = None
        if length_bytes >= SEALED_BYTES:
            successor = self._chain.successor(
                segment, self.place, deadline_s, self._now, self._sleep
            )
            found, base = segment.settled_records(self.place, successor.header)
        if found:
            records += [record for record in found if record.txid > txid]
            self.place = found[-1].end
        if base and successor is not None:
            successor.close()
            raise Gone(f"{segment.path} is followed by a snapshot", base)
        if successor is None and length_bytes != self.place.offset:
            segment.check_tail(self.place)
            self.has_tail = True
        return successor

    def _find_place(self) -> bool:
        """Open the segment where reading goes on. Return whether there is a log."""
        place = self.place
        if place.epoch:
            self.segment = self._open_at(place)
            return True
        epochs = self._chain.epochs()
        if not epochs and not place.txid:
            return False
        if epochs and self._chain.is_anothers(epochs[0]):
            raise Gone(f"{self._chain.directory} is another log than that of the copy")
        # The newest of those that begin with the record behind our place, or with an earlier one.
        count = bisect_right(
            epochs, place.txid, key=lambda epoch: self._chain.header(epoch).txid_before
        )
        if not count:
            where, base = self._chain.directory, b""
            if epochs:
                base = self._chain.header(epochs[0]).creator
            raise Gone(f"{where} has no record {place.txid + 1} any more", base)
        self._enter(self._chain.open(epochs[count - 1]))
        return True

    def _open_at(self, place: Place) -> Segment:
        """Open the segment of a place, which may be of a log that was removed since; Gone."""
        database_id, self._chain.database_id = self._chain.database_id, None
        segment = self._chain.open(place.epoch)
        header, length_bytes = segment.header, segment.length_bytes()
        is_same = header.database_id == database_id
        is_cut = not HEADER_BYTES <= place.offset <= length_bytes
        if is_cut or header.txid_before > place.txid or not (is_same or database_id is None):
            segment.close()
            if is_cut and is_same:
                raise DatabaseCorrupt(
                    f"{segment.path} was cut to {length_bytes} bytes: record {place.txid}, which"
                    f" ended at {place.offset}, is not in the log any more"
                )
            raise Gone(f"{segment.path} belongs to another log than the copy")
        return segment

    def _enter(self, segment: Segment) -> None:
        self.close()
        self.segment, self.place = segment, segment.start
