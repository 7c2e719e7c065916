"""One segment of a log: a file with a header, and records that are appended behind it.

Header, 76 bytes: `SQLOGSEG`, database id 16, epoch u64, epoch of the segment before u64, length of
that one u64, last txid before u64, fence u64, creator 8, crc32 u32 of all this. Record: `SREC`,
length of its content u32, txid u64, commit id 16, crc32 u32 of all this; the content; crc32 u32 of
it; zeros up to a multiple of 8. All numbers are big-endian.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from zlib import crc32

from sqlatch.kernel.errors import DatabaseCorrupt
from storage.log import files
from storage.log.log import COMMIT_ID_BYTES, Place, Record

SEALED_BYTES = 1 << 40
"""The length of a sealed segment: a hole, behind whatever a record reaches."""

ID_BYTES = 16

READ_BYTES = 64 << 10
"""The first read of a segment: most of what another instance has committed lies within it."""
CHUNK_BYTES = 1 << 20
"""The length of a write, and of a further read: the largest of one NFS operation."""

_MAGIC = b"SQLOGSEG"
_HEADER = Struct(">8s16sQQQQQ8s")
_RECORD_MAGIC = b"SREC"
_RECORD = Struct(f">4sIQ{COMMIT_ID_BYTES}s")
_CRC = Struct(">I")
HEADER_BYTES = _HEADER.size + _CRC.size
_RECORD_HEADER_BYTES = _RECORD.size + _CRC.size
_ALIGNMENT = 8
_OVERLAP_BYTES = 40
"""Of two chunks that are searched: the header of a record may begin in the last bytes of one."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a segment. It settles where the segment before ends, and at which txid.

    `fence` is the greatest of those who have sealed for the sake of their own appends so far. Who
    has a smaller one has lost the right to write, perhaps without knowing it. Where a segment goes
    on behind a snapshot, `creator` is the name of that.
    """

    database_id: bytes
    epoch: int
    previous_epoch: int
    previous_length_bytes: int
    txid_before: int
    fence: int
    creator: bytes

    def encoded(self) -> bytes:
        return _with_crc(
            _HEADER.pack(
                _MAGIC,
                self.database_id,
                self.epoch,
                self.previous_epoch,
                self.previous_length_bytes,
                self.txid_before,
                self.fence,
                self.creator,
            )
        )


def encoded_record(txid: int, commit_id: bytes, content: bytes) -> bytes:
    header = _with_crc(_RECORD.pack(_RECORD_MAGIC, len(content), txid, commit_id))
    padding = bytes(_size_bytes(len(content)) - len(header) - len(content) - _CRC.size)
    return b"".join([header, content, _CRC.pack(crc32(content)), padding])


class Segment:
    """An open segment. What it raises is OSError, or DatabaseCorrupt with path and offset."""

    def __init__(self, path: Path, header: Header, descriptor: int, *, writable: bool) -> None:
        self.path = path
        self.header = header
        self.writable = writable
        self._descriptor = descriptor

    @classmethod
    def open(cls, path: Path, epoch: int, database_id: bytes | None) -> "Segment":
        """Open the segment of that epoch and database; FileNotFoundError."""
        writable = True
        try:
            descriptor = os.open(path, os.O_RDWR | files.flags(path.parent))
        except OSError as error:
            if not files.is_read_only(error):
                raise
            writable = False
            descriptor = os.open(path, os.O_RDONLY | files.flags(path.parent))
        try:
            header = _header_of(os.pread(descriptor, HEADER_BYTES, 0), path)
            if header.epoch != epoch:
                raise _corrupt(path, 0, f"the epoch is {header.epoch:x}, not {epoch:x}")
            if header.database_id != (database_id or header.database_id):
                raise _corrupt(path, 0, "the segment belongs to another database")
        except BaseException:
            os.close(descriptor)
            raise
        return cls(path, header, descriptor, writable=writable)

    def close(self) -> None:
        # Whatever it says, the descriptor is closed, and all that was written was synced.
        with suppress(OSError):
            os.close(self._descriptor)

    @property
    def start(self) -> Place:
        """The place before the first record."""
        return Place(self.header.epoch, HEADER_BYTES, self.header.txid_before)

    def new_records(self, place: Place) -> list[Record] | None:
        """Return the whole records behind a place; None if the file ends there.

        Nothing is said yet of what stands in it for good: that, its length says afterwards.
        """
        window = _Window(self._descriptor, place.offset, SEALED_BYTES)
        if not window.read(place.offset, 1):
            files.check_not_removed(self._descriptor)
            return None
        return list(self._records(place, window))

    def end(self, place: Place) -> Place:
        """Return the place behind the last whole record; DatabaseCorrupt."""
        records = self.new_records(place)
        end = records[-1].end if records else place
        self.check_tail(end)
        return end

    def settled_records(self, place: Place, successor: Header) -> tuple[list[Record], bytes]:
        """Return the records behind a place, up to where the header of the next segment says, and
        the name of the snapshot that it goes on behind, if it does."""
        window = _Window(self._descriptor, place.offset, successor.previous_length_bytes)
        records = list(self._records(place, window))
        end = records[-1].end if records else place
        settled = (successor.previous_length_bytes, successor.txid_before)
        if (end.offset, end.txid) == settled:
            return records, b""
        if end.offset == settled[0] and end.txid in {0, settled[1] - 1}:
            return records, successor.creator
        raise _corrupt(
            self.path,
            end.offset,
            f"the next segment says that this one ends at offset {settled[0]} with record"
            f" {settled[1]}, but whole records end here with record {end.txid}",
        )

    def length_bytes(self) -> int:
        """Return the length of the file as the server has it now: on NFS one GETATTR."""
        return files.length_bytes(self._descriptor)

    def write(self, offset: int, content: bytes) -> None:
        """Write to the file and its disk."""
        view = memoryview(content)
        while view:
            written = os.pwrite(self._descriptor, view[:CHUNK_BYTES], offset)
            view, offset = view[written:], offset + written

    def mark(self) -> None:
        """Mark the segment as sealed, before its tail is read for the last time."""
        if not self.writable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path))
        os.ftruncate(self._descriptor, SEALED_BYTES)
        os.fsync(self._descriptor)

    def check_tail(self, place: Place) -> None:
        """DatabaseCorrupt unless what stands behind the last whole record is a torn tail.

        A record that was begun behind another says that the other one was whole. The append may
        have gone on since it was read, so it is read once more.
        """
        if self._is_followed(place) and not self._is_whole(place):
            what = f"record {place.txid + 1} is damaged, and whole records stand behind it"
            raise _corrupt(self.path, place.offset, what)

    def _records(self, place: Place, window: "_Window") -> Iterator[Record]:
        offset, txid, epoch = place.offset, place.txid, self.header.epoch
        while True:
            header = _record_header(window.read(offset, _RECORD_HEADER_BYTES))
            if header is None or header[1] != txid + 1:
                return
            length_bytes, _txid, commit_id = header
            size_bytes = _size_bytes(length_bytes)
            raw = window.read(offset, size_bytes)
            if len(raw) < size_bytes:
                return
            content = raw[_RECORD_HEADER_BYTES : _RECORD_HEADER_BYTES + length_bytes]
            (crc,) = _CRC.unpack_from(raw, _RECORD_HEADER_BYTES + length_bytes)
            if crc32(content) != crc:
                return
            offset, txid = offset + size_bytes, txid + 1
            yield Record(txid, commit_id, content, Place(epoch, offset, txid))

    def _is_whole(self, place: Place) -> bool:
        window = _Window(self._descriptor, place.offset, SEALED_BYTES)
        return next(self._records(place, window), None) is not None

    def _is_followed(self, place: Place) -> bool:
        """Return whether a record has been begun behind the one at `place`."""
        window = _Window(self._descriptor, place.offset, SEALED_BYTES)
        header = _record_header(window.read(place.offset, _RECORD_HEADER_BYTES))
        if header is None:
            return any(self._is_whole(other) for other in self._places_behind(place))
        behind = _record_header(
            window.read(place.offset + _size_bytes(header[0]), _RECORD_HEADER_BYTES)
        )
        return header[1] != place.txid + 1 or (behind is not None and behind[1] > place.txid + 1)

    def _places_behind(self, place: Place) -> Iterator[Place]:
        """The places where a later record may begin, up to a long hole or the end of the file."""
        offset = place.offset
        chunk = os.pread(self._descriptor, CHUNK_BYTES, offset)
        while chunk.count(0) < len(chunk):
            at = chunk.find(_RECORD_MAGIC)
            while at >= 0:
                header = _record_header(chunk[at : at + _RECORD_HEADER_BYTES])
                if at % _ALIGNMENT == 0 and header is not None and header[1] > place.txid + 1:
                    yield Place(place.epoch, offset + at, header[1] - 1)
                at = chunk.find(_RECORD_MAGIC, at + 1)
            if len(chunk) < CHUNK_BYTES:
                return
            offset += CHUNK_BYTES - _OVERLAP_BYTES
            chunk = os.pread(self._descriptor, CHUNK_BYTES, offset)


class _Window:
    """The bytes of a file from an offset on, read ahead; none from `end_bytes` on."""

    def __init__(self, descriptor: int, offset: int, end_bytes: int) -> None:
        self._descriptor = descriptor
        self._start = offset
        self._raw = b""
        self._ends = False
        self._end_bytes = end_bytes
        self._ahead_bytes = READ_BYTES

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return these bytes, fewer where the file ends."""
        size_bytes = min(size_bytes, self._end_bytes - offset)
        at = offset - self._start
        if at + size_bytes > len(self._raw) and not self._ends:
            wanted = min(max(size_bytes, self._ahead_bytes), self._end_bytes - offset)
            self._raw = os.pread(self._descriptor, wanted, offset)
            # A second read of the end would be a second question to the server.
            self._ends = len(self._raw) < wanted
            self._start, at, self._ahead_bytes = offset, 0, CHUNK_BYTES
        return self._raw[at : at + size_bytes] if size_bytes > 0 else b""


def _with_crc(content: bytes) -> bytes:
    return content + _CRC.pack(crc32(content))


def _checked(raw: bytes, layout: Struct, magic: bytes) -> tuple[bytes, ...] | None:
    if len(raw) < layout.size + _CRC.size or not raw.startswith(magic):
        return None
    content = raw[: layout.size]
    if _CRC.unpack_from(raw, layout.size) != (crc32(content),):
        return None
    return layout.unpack(content)


def _header_of(raw: bytes, path: Path) -> Header:
    fields = _checked(raw, _HEADER, _MAGIC)
    if fields is None:
        raise _corrupt(path, 0, "the header of a segment is damaged, or this is none")
    return Header(*fields[1:])  # type: ignore[arg-type]


def _record_header(raw: bytes) -> tuple[int, int, bytes] | None:
    """Return length of the content, txid and commit id; None if this is no header of a record."""
    fields = _checked(raw, _RECORD, _RECORD_MAGIC)
    return None if fields is None else fields[1:]  # type: ignore[return-value]


def _size_bytes(content_bytes: int) -> int:
    """Return the size of a whole record."""
    size_bytes = _RECORD_HEADER_BYTES + content_bytes + _CRC.size
    return size_bytes + -size_bytes % _ALIGNMENT


def _corrupt(path: Path, offset: int, what: str) -> DatabaseCorrupt:
    return DatabaseCorrupt(
        f"the log is damaged: {path} at offset {offset}: {what}; restore the database from its"
        " snapshots",
        path=str(path),
        offset=offset,
    )
