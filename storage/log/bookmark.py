"""The file that says where in its log a private copy stands.

It is mapped into memory, so that what it says outlives a killed process, though not the machine: a
copy of another boot may lack pages that were never synced.
"""

import mmap
import os
import struct
from pathlib import Path
from typing import Final
from zlib import crc32

from storage.log.log import BEGINNING, Place

MAGIC = b"SQLCOPY1"
LAYOUT = struct.Struct("<8sI4xQQQQ16s16s")
"""Magic, state, txid, target, epoch, offset, the boot, the id of the log. Little-endian."""
CRC = struct.Struct("<I")
"""The CRC-32 of the layout stands behind it: a process may be killed between two of its bytes."""
SIZE = LAYOUT.size + CRC.size

CLEAN: Final = 1
APPLYING: Final = 2


class Bookmark:
    """A copy stands at `place`, or, unless it `is_clean`, is torn until `target` is applied."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # A store into a hole of a map ends the process (SIGBUS) when the disk is full.
            os.posix_fallocate(descriptor, 0, SIZE)
            self._map = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_bytes()[:16]
        magic, state, txid, self.target, epoch, offset, boot, log_id = LAYOUT.unpack_from(self._map)
        is_whole = self._map[LAYOUT.size :] == CRC.pack(crc32(self._map[: LAYOUT.size]))
        self.is_known = is_whole and magic == MAGIC and boot == self._boot
        """False of a copy of which nothing is known: it must not be used."""
        self.is_clean = state == CLEAN
        self.place = Place(epoch, offset, txid) if self.is_known else BEGINNING
        self.log_id: bytes | None = log_id if self.is_known and any(log_id) else None
        """The id of the log that the copy is of, None if no log was asked yet."""

    def begin(self, target: int) -> None:
        """From here on the copy is torn, until the records up to `target` are applied."""
        self.is_clean, self.target = False, target
        self._write()

    def reach(self, place: Place) -> None:
        """The copy stands at `place`."""
        self.place = place
        self.is_clean = place.txid >= self.target
        self._write()

    def commit(self, place: Place) -> None:
        """A commit of our own has brought the copy to `place`."""
        self.target = place.txid
        self.reach(place)

    def note(self, log_id: bytes | None) -> None:
        """The copy is of that log."""
        if log_id != self.log_id:
            self.log_id = log_id
            self._write()

    def reset(self) -> None:
        """The copy is empty."""
        self.is_known, self.target, self.log_id = True, 0, None
        self.reach(BEGINNING)

    def _write(self) -> None:
        place = self.place
        packed = LAYOUT.pack(
            MAGIC, CLEAN if self.is_clean else APPLYING,
            place.txid, self.target, place.epoch, place.offset, self._boot, self.log_id or b"",
        )  # fmt: skip
        self._map[:] = packed + CRC.pack(crc32(packed))


def position_in(path: Path) -> int:
    """Return the position of the copy that has this bookmark, which another process may be writing;
    0 if nothing is known of it."""
    content = path.read_bytes()
    if len(content) != SIZE or content[LAYOUT.size :] != CRC.pack(crc32(content[: LAYOUT.size])):
        return 0
    return int(LAYOUT.unpack_from(content)[2])
