"""The log of one database as segments in a directory that all instances share.

Records are appended to the newest segment under the lease. A seal, which anybody may make at any
time, ends it: it marks the segment by its length, reads its tail, and links the next one, whose
header says where this one ends. An appender and a reader look for the mark after they have written
or read, so of them and a sealer one sees the other.
"""

import errno
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlatch.kernel.errors import StorageError, Timeout
from storage.log.chain import Base, Chain, Settled
from storage.log.following import Following
from storage.log.log import BASE_BYTES, BEGINNING, Conflict, Gone, InDoubt, Place, Record
from storage.log.segment import Segment, encoded_record

CAP_BYTES = 4 << 20
"""A longer segment is sealed before the next append: a new instance reads one from its start."""

_NEVER_LANDS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The server has answered, and has no room: what is not there by then does not come later."""


class DirectoryLog:
    """See `Log`. `at` is where a copy stands; that of a snapshot has its txid, and epoch 0."""

    goes_first = False

    def __init__(
        self,
        directory: Path,
        *,
        at: Place = BEGINNING,
        database_id: bytes | None = None,
        now: Callable[[], float],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._chain = Chain(directory, database_id)
        self._at = Following(self._chain, at=at, now=now, sleep=sleep)
        self._now = now
        self._failed_epoch = 0
        self._may_land = True
        self._unwritten: tuple[Place, bytes] | None = None
        self._fence = 0

    @property
    def place(self) -> Place:
        return self._at.place

    @property
    def has_more(self) -> bool:
        return self._at.has_more

    @property
    def database_id(self) -> bytes | None:
        """The id that all segments of the log have, None as long as none was read."""
        return self._chain.database_id

    def sync(self, deadline_s: float) -> list[Record]:
        with self._all_or_nothing():
            return self._at.read_on(deadline_s)

    def ready(self, deadline_s: float, *, fence: int, seal: bool) -> list[Record]:
        with self._all_or_nothing():
            self._fence = fence
            records = self._at.read_on(deadline_s)
            while not self.has_more:
                if self._at.segment is None:
                    self._chain.make_first(fence=fence)
                else:
                    segment = self._unsuperseded()
                    if not self._is_spent() and not (seal and segment.header.fence < fence):
                        return records
                    self._chain.seal(segment, self._at.place, fence=fence)
                if self._now() >= deadline_s:
                    where = self._chain.directory
                    raise Timeout(f"others went on sealing {where} until the deadline")
                records += self._at.read_on(deadline_s)
            return records

    def append(self, commit_id: bytes, content: bytes) -> None:
        place, segment = self._at.place, self._unsuperseded()
        record = encoded_record(place.txid + 1, commit_id, content)
        end = Place(place.epoch, place.offset + len(record), place.txid + 1)
        # Until it has succeeded, so that no exception leaves us able to append behind it.
        self._failed_epoch, self._may_land, self._unwritten = place.epoch, True, None
        try:
            segment.write(place.offset, record)
            length_bytes = segment.length_bytes()
        except OSError as error:
            self._may_land = error.errno not in _NEVER_LANDS
            self._unwritten = place, record
            raise InDoubt(f"{segment.path}: {error.strerror}") from error
        if length_bytes != end.offset:
            raise InDoubt(f"{segment.path}: was sealed or appended to meanwhile")
        self._at.place, self._failed_epoch = end, 0

    def replace(self, base: bytes) -> None:
        place, segment = self._at.place, self._unsuperseded()
        self._failed_epoch, self._may_land, self._unwritten = place.epoch, True, None
        try:
            snapshot = Base(base, place.txid + 1, after=place.txid)
            is_there = self._chain.go_on_behind(snapshot, segment, place, fence=self._fence)
        except OSError as error:
            raise InDoubt(f"{segment.path}: {error.strerror}") from error
        if not is_there:
            raise Conflict(f"{segment.path} was sealed by another")

    def outcome(self, txid: int, commit_id: bytes, deadline_s: float) -> tuple[bool, list[Record]]:
        with self._all_or_nothing():
            records = self._decided_records(txid, deadline_s)
            is_there = (txid, commit_id) in {(each.txid, each.commit_id) for each in records}
            if is_there:
                self._write_again()
            if len(commit_id) == BASE_BYTES:
                is_there = self._chain.has_base(txid, commit_id)
            return is_there, records

    def close(self) -> None:
        self._at.close()

    def is_there(self) -> tuple[bool, int]:
        """Return whether there is a database, and the number of the last record, 0 if none."""
        with self._all_or_nothing():
            return self._chain.is_there()

    def begin(self, txid: int, base: bytes, *, after: int = 0) -> None:
        """Begin the log of a database that a snapshot of that txid has; FileExistsError.

        `after` is the deletion of the one before, if there was one.

        Whoever comes to its beginning gets Gone with the name of the snapshot, `base`.
        """
        with self._all_or_nothing():
            if not self._chain.begin(Base(base, txid, after)):
                where = self._chain.directory
                raise FileExistsError(errno.EEXIST, "the log has a database", str(where))

    def segments(self) -> list[Settled]:
        """Return the segments that nothing can be added to, oldest first: all but the newest."""
        with self._all_or_nothing():
            return self._chain.settled()

    def remove(self, epochs: Iterable[int]) -> None:
        """Remove the oldest of `segments()`: those of these epochs, which nobody is to need."""
        with self._all_or_nothing():
            self._chain.remove(epochs)

    def _decided_records(self, txid: int, deadline_s: float) -> list[Record]:
        """Return what is behind our place, which no record of that number can join any more.

        Where the log goes on behind a snapshot, these are the records before it.
        """
        at, records = self._at, list[Record]()
        epoch = at.place.epoch
        if at.place.txid != txid - 1:
            raise StorageError(
                f"{self._chain.directory} does not reach back to record {txid} any more",
                outcome="unknown",
            )
        try:
            at.collect(records, deadline_s)
            # It may come later, but not into a segment that others have sealed.
            if at.place.txid < txid and epoch in {0, at.place.epoch} and self._may_land:
                self._chain.seal(at.opened, at.place, fence=self._fence)
                at.collect(records, deadline_s)
        except Gone as gone:
            if not gone.base:
                raise
        return records

    def _write_again(self) -> None:
        """Write the record of a failed append where it stands, so that it is on the disk.

        It was read, but perhaps from the cache of this machine: on a local disk a write may fail in
        its sync, after which the kernel takes the bytes for written.
        """
        if self._unwritten is not None:
            place, record = self._unwritten
            segment = self._chain.open(place.epoch)
            try:
                segment.write(place.offset, record)
            finally:
                segment.close()
            self._unwritten = None

    def _unsuperseded(self) -> Segment:
        """Return the newest segment; Conflict if a later holder of the lease has begun it.

        What is appended here is not fenced off from that one's appends, as it would be in a segment
        that was sealed; and our own lease, and the clock that it is checked by, may have stood
        still since.
        """
        assert not self.has_more, "what is new is read first"
        segment = self._at.opened
        if segment.header.fence > self._fence:
            raise Conflict(f"{segment.path} was begun under a later lease")
        return segment

    def _is_spent(self) -> bool:
        """Return whether nothing more is to be appended to the segment.

        It has a torn tail; or an append of ours failed, and may still land; or it is long enough.
        """
        return (
            self._at.has_tail
            or self._failed_epoch == self._at.place.epoch
            or self._at.place.offset > CAP_BYTES
        )

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Move our place with success only, so that no record is passed over; translate OSError."""
        place = self._at.place
        try:
            yield
        except BaseException as error:
            self._at.place = place
            self.close()
            if not isinstance(error, OSError) or isinstance(error, FileExistsError):
                raise
            if error.errno == errno.ESTALE and self._chain.has_lost(place.epoch):
                raise Gone(f"{self._chain.path(place.epoch)} was removed") from error
            raise StorageError(
                f"the log: {error.strerror}: {error.filename or self._chain.directory}",
                errno=error.errno,
            ) from error
