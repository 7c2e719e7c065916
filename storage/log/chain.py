"""The segments of one log, by name: each is followed by one, and no name comes back.

`<epoch, 16 hex digits>.seg`, and `<epoch>-<creator>.tmp` for a header that is to follow that epoch.
"""

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path

from sqlatch.kernel.errors import Timeout
from storage.log import files
from storage.log.log import Gone, Place, base_name, is_nothing
from storage.log.segment import HEADER_BYTES, ID_BYTES, Header, Segment

POLL_S = 0.05
"""The time between two looks for the next segment, by a process that may not make it."""

_SEGMENT = re.compile(r"([0-9a-f]{16})\.seg")


@dataclass(frozen=True, slots=True)
class Settled:
    """A segment that nothing can be added to: it has the records from `first_txid` to `last_txid`.

    If it has none, `last_txid` is `first_txid` - 1.
    """

    epoch: int
    first_txid: int
    last_txid: int
    path: Path


@dataclass(frozen=True, slots=True)
class Base:
    """A snapshot of `txid` that a log is to go on behind, if `after` is its last record then."""

    name: bytes
    txid: int
    after: int


class Chain:
    """Raises OSError, Gone and DatabaseCorrupt. `database_id` is learnt if it is None."""

    def __init__(self, directory: Path, database_id: bytes | None) -> None:
        self.directory = directory
        self.database_id = database_id
        self._creator = base_name()

    def epochs(self) -> list[int]:
        return _epochs_of(files.names(self.directory))

    def path(self, epoch: int) -> Path:
        return self.directory / f"{epoch:016x}.seg"

    def open(self, epoch: int) -> Segment:
        """Open a segment that is known to have been there; Gone."""
        try:
            segment = Segment.open(self.path(epoch), epoch, self.database_id)
        except FileNotFoundError as error:
            raise Gone(f"{self.path(epoch)} was removed") from error
        self.database_id = segment.header.database_id
        return segment

    def header(self, epoch: int) -> Header:
        segment = self.open(epoch)
        segment.close()
        return segment.header

    def open_successor(self, segment: Segment) -> Segment | None:
        """Open the segment that follows one, None if there is none yet."""
        self.refresh()
        epoch = segment.header.epoch + 1
        return self.open(epoch) if files.is_there(self.path(epoch)) else None

    def successor(
        self,
        segment: Segment,
        place: Place,
        deadline_s: float,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> Segment:
        """Open the segment behind a sealed one, of which the records up to `place` are known.

        Its sealer may have died between its steps. What was acknowledged before may stand in the
        sealed segment, and to leave it out would be a stale read: so we seal it ourselves. Who may
        not write in the directory waits until another has.
        """
        while True:
            successor = self.open_successor(segment)
            if successor is not None:
                return successor
            try:
                self.seal(segment, place)
            except OSError as error:
                if not files.is_read_only(error):
                    raise
                if now() >= deadline_s:
                    raise Timeout(
                        f"{segment.path} is sealed, but the segment behind it was not made before"
                        " the deadline, and this process may not write there: try again"
                    ) from error
                sleep(POLL_S)

    def refresh(self) -> None:
        """Make the NFS client ask for the names that are there, and the disk keep those it has.

        A client remembers for 30 s that a name is not there. And what is appended to a segment is
        lost with its name, which another instance may have given it a moment ago.
        """
        files.sync_directory(self.directory)

    def make_first(self, *, fence: int, base: Base | None = None) -> bool:
        """Make the first segment, perhaps behind a snapshot. Return whether it is ours."""
        for directory in (self.directory.parent, self.directory):
            directory.mkdir(exist_ok=True)
            files.sync_directory(directory.parent)
        with self._header_file(0) as (path, descriptor):
            if self.epochs():
                return False
            database_id = self.database_id or os.urandom(ID_BYTES)
            txid, creator = (base.txid, base.name) if base else (0, self._creator)
            header = Header(database_id, 1, 0, 0, txid, fence, creator)
            return self._link(path, descriptor, header)

    def seal(
        self, segment: Segment, place: Place, *, fence: int = 0, base: Base | None = None
    ) -> None:
        """Seal a segment, of which the records up to `place` are known.

        `fence` is that of a holder of the lease who is to append behind the seal. The next segment
        goes on behind `base`, if no record came meanwhile. The file of its header is made before
        the mark: a full disk fails the seal before it has marked what no reader could go past. See
        `remove` too.
        """
        epoch = segment.header.epoch
        with self._header_file(epoch) as (path, descriptor):
            self.refresh()
            if not files.is_there(segment.path):
                raise Gone(f"{segment.path} was removed")
            segment.mark()
            end = segment.end(place)
            if base is not None and end.txid != base.after:
                base = None
            creator = self._creator
            if end.txid == segment.header.txid_before and is_nothing(segment.header.creator):
                creator = segment.header.creator  # the one before may be removed
            header = Header(
                segment.header.database_id,
                epoch + 1,
                epoch,
                end.offset,
                end.txid if base is None else base.txid,
                max(fence, segment.header.fence),
                creator if base is None else base.name,
            )
            self._link(path, descriptor, header)

    def go_on_behind(self, base: Base, segment: Segment, place: Place, *, fence: int) -> bool:
        """Seal a segment so that the next one goes on behind a snapshot. Return whether it does."""
        self.seal(segment, place, fence=fence, base=base)
        return self.has_base(base.txid, base.name)

    def has_base(self, txid: int, name: bytes) -> bool:
        """Return whether a segment goes on behind a snapshot of that name."""
        newest_first = map(self.header, reversed(self.epochs()))
        behind = takewhile(lambda each: each.txid_before >= txid, newest_first)
        return any((each.txid_before, each.creator) == (txid, name) for each in behind)

    def begin(self, base: Base) -> bool:
        """Begin a log behind a snapshot. Return False if there is one of a database.

        One without a record is no database, nor is one that is deleted: its segment is followed by
        one that begins there.
        """
        epochs = self.epochs()
        if not epochs:
            return self.make_first(fence=0, base=base)
        newest = self.open(epochs[-1])
        try:
            is_free = _is_there(newest) == (False, base.after)
            return is_free and self.go_on_behind(base, newest, newest.start, fence=0)
        finally:
            newest.close()

    def is_there(self) -> tuple[bool, int]:
        """Return whether there is a database, and the number of the last record, 0 if none."""
        epochs = self.epochs()
        if not epochs:
            return False, 0
        newest = self.open(epochs[-1])
        try:
            return _is_there(newest)
        finally:
            newest.close()

    def has_lost(self, epoch: int) -> bool:
        """Return whether the directory of all databases is there, and a segment of this log is not,
        though one of another log may have its name."""
        try:
            return epoch not in self.epochs() or self.is_anothers(epoch)
        except OSError:
            return False

    def is_anothers(self, epoch: int) -> bool:
        """Return whether a segment belongs to another log than those that were opened before."""
        if self.database_id is None:
            return False
        with closing(Segment.open(self.path(epoch), epoch, None)) as segment:
            return segment.header.database_id != self.database_id

    def settled(self) -> list[Settled]:
        """Return the segments that nothing can be added to, oldest first: all but the newest."""
        headers = [self.header(epoch) for epoch in self.epochs()]
        return [
            Settled(
                header.epoch,
                header.txid_before + 1,
                successor.txid_before,
                self.path(header.epoch),
            )
            for header, successor in pairwise(headers)
        ]

    def remove(self, epochs: Iterable[int]) -> None:
        """Remove the oldest segments, never the newest.

        Before a segment those headers are removed that may still be linked in its place. A sealer
        makes the file of its header, then looks whether the segment that it seals is there: either
        it finds that gone, or its file will be. So no name comes back with other records behind it.
        """
        for epoch in sorted(epochs):
            names = files.names(self.directory)
            oldest, *others = _epochs_of(names)
            if epoch != oldest or not others:
                raise ValueError(f"segment {epoch:x} is not the oldest of several: {oldest:x} is")
            for name in names:
                if name.startswith(f"{epoch - 1:016x}-"):
                    (self.directory / name).unlink(missing_ok=True)
            self.path(epoch).unlink(missing_ok=True)

    @contextmanager
    def _header_file(self, epoch: int) -> Iterator[tuple[Path, int]]:
        """A file of our own, for the header of the segment that follows an epoch."""
        path = self.directory / f"{epoch:016x}-{self._creator.hex()}.tmp"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
        try:
            _write_header(descriptor, bytes(HEADER_BYTES))
            yield path, descriptor
        finally:
            os.close(descriptor)
            path.unlink(missing_ok=True)

    def _link(self, path: Path, descriptor: int, header: Header) -> bool:
        """Give a header its name, once and whole. Return whether we were the first."""
        _write_header(descriptor, header.encoded())
        try:
            os.link(path, self.path(header.epoch))
        except FileNotFoundError as error:
            raise Gone(f"{path} was removed with the segment before it") from error
        except FileExistsError:
            # Another was faster, or the server did it twice: the header that is there decides.
            return False
        files.sync_directory(self.directory)
        return True


def _is_there(newest: Segment) -> tuple[bool, int]:
    txid = newest.end(newest.start).txid
    is_deleted = txid == newest.header.txid_before and is_nothing(newest.header.creator)
    return txid > 0 and not is_deleted, txid


def _write_header(descriptor: int, content: bytes) -> None:
    if os.pwrite(descriptor, content, 0) < len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    os.fsync(descriptor)


def _epochs_of(names: Iterable[str]) -> list[int]:
    return sorted(int(found[1], 16) for found in map(_SEGMENT.fullmatch, names) if found)
