"""A pack keeps the records of one merge as they were appended, so that each state can be read.

    magic 8 | number of records u32 | for each: at_ms u64, length u32 | the records, LTX files each

Big-endian. The files that records are merged into have only the last of their states.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from sqlatch.kernel import nfs
from storage.log import ltx
from storage.log.durable import storage_errors, sync, write_whole
from storage.log.ltx import Damaged

SUFFIX = ".pack"

_HEAD = struct.Struct(">8sI")
_ENTRY = struct.Struct(">QI")
_MAGIC = b"SQLPACK1"


@dataclass(frozen=True, slots=True)
class PackFile:
    """A pack of the transactions `first` to `last`, the latest of which was made at `latest_ms`."""

    path: Path
    first: int
    last: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A record of a pack: when it was made, and its content."""

    txid: int
    at_ms: int
    content: bytes


def pack_of(directory: Path, records: Sequence[bytes]) -> PackFile:
    """Return the pack of these records. Names sort by time."""
    headers = [ltx.header_of(record) for record in records]
    latest_ms = max(header.at_ms for header in headers)
    first, last = headers[0].last, headers[-1].last
    name = f"{latest_ms:016x}-{first:016x}-{last:016x}{SUFFIX}"
    return PackFile(directory / name, first, last, latest_ms)


def pack_at(path: Path) -> PackFile:
    """Return the pack that has this path."""
    latest_ms, first, last = (int(part, 16) for part in path.stem.split("-"))
    return PackFile(path, first, last, latest_ms)


def encode(records: Sequence[bytes]) -> bytes:
    """Return the content of a pack."""
    entries = [_ENTRY.pack(ltx.header_of(record).at_ms, len(record)) for record in records]
    return b"".join([_HEAD.pack(_MAGIC, len(records)), *entries, *records])


def decode(content: bytes, first: int) -> list[Packed]:
    """Return the records of a pack that begins with that transaction; Damaged."""
    try:
        magic, count = _HEAD.unpack_from(content)
        begin = _HEAD.size + count * _ENTRY.size
        entries = list(_ENTRY.iter_unpack(content[_HEAD.size : begin]))
    except struct.error as error:
        raise Damaged(f"a pack of {len(content)} bytes that is not whole") from error
    ends = list(accumulate((length for _at_ms, length in entries), initial=begin))
    if magic != _MAGIC or len(entries) != count or ends[-1] != len(content):
        raise Damaged(f"a pack of {len(content)} bytes that is not whole")
    return [
        Packed(first + number, at_ms, content[ends[number] : ends[number + 1]])
        for number, (at_ms, _length) in enumerate(entries)
    ]


class Packs:
    """The packs of one database, as files of a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def all(self) -> list[PackFile]:
        """Return every pack, in the order of time."""
        with storage_errors():
            try:
                nfs.open_directory(self._directory)
                paths = sorted(self._directory.glob(f"[!.]*{SUFFIX}"))
            except FileNotFoundError:
                return []
            return [pack_at(path) for path in paths]

    def keep(self, records: Sequence[bytes]) -> None:
        """Write a pack of records, durably. The same records make the same pack."""
        pack = pack_of(self._directory, records)
        with storage_errors():
            self._directory.mkdir(parents=True, exist_ok=True)
            write_whole(pack.path, [encode(records)], at_ms=pack.latest_ms)
            sync(self._directory)
            sync(self._directory.parent)

    def read(self, pack: PackFile) -> list[Packed]:
        """Return the records of a pack; none of one that was deleted meanwhile. Damaged."""
        with storage_errors():
            try:
                return decode(pack.path.read_bytes(), pack.first)
            except FileNotFoundError:
                return []

    def delete_before(self, before_s: float) -> None:
        """Delete the packs of which every transaction is older than that."""
        for pack in self.all():
            if pack.latest_ms < before_s * 1_000:
                self._delete(pack)

    def _delete(self, pack: PackFile) -> None:
        with storage_errors():
            pack.path.unlink(missing_ok=True)
