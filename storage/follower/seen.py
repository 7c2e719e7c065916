"""The position of a database that callers of this machine were told: no read of theirs is older.

It lies beside the copies, in a file that all processes have mapped, which outlives each of them.
"""

import fcntl
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlatch.kernel.errors import StorageError

LAYOUT = struct.Struct("<Q")


class Seen:
    """The greatest position that was sent back with the answer of the leader.

    What it raises is StorageError of unknown outcome: what the leader has answered may be a write.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._opened(os.O_RDWR | os.O_CREAT) as descriptor:
            # A store into a hole of a map ends the process (SIGBUS) when the disk is full.
            os.posix_fallocate(descriptor, 0, LAYOUT.size)
            self._map = mmap.mmap(descriptor, LAYOUT.size)

    @property
    def position(self) -> int:
        """The position, 0 if none was sent back yet."""
        return int(LAYOUT.unpack_from(self._map)[0])

    def note(self, position: int) -> None:
        """Remember a position, unless a greater one is there."""
        with self._opened(os.O_RDWR) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if position > self.position:
                LAYOUT.pack_into(self._map, 0, position)

    def forget(self, position: int) -> None:
        """Forget it: the log is another one, whose positions have nothing to do with it.

        One that was noted since stays.
        """
        with self._opened(os.O_RDWR) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if position == self.position:
                LAYOUT.pack_into(self._map, 0, 0)

    def close(self) -> None:
        self._map.close()

    @contextmanager
    def _opened(self, flags: int) -> Iterator[int]:
        try:
            descriptor = os.open(self._path, flags, 0o600)
            try:
                yield descriptor
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StorageError(
                f"the position that the leader told of: {error.strerror}: {self._path}",
                errno=error.errno,
                outcome="unknown",
            ) from error
