"""The directory of copies that belongs to one process."""

import fcntl
import hashlib
import os
from itertools import count
from pathlib import Path

from storage.log.durable import storage_errors

COPIES = "the directory of the copies"


class Slot:
    """A numbered directory, taken when it is first asked for, until the process ends.

    A lock keeps it, which ends with the process: what a dead one left in it is used again. Logs at
    another `address` have slots of their own.
    """

    def __init__(self, address: str, copies: Path) -> None:
        self._address = address
        self._copies = copies
        self._path: Path | None = None
        self._lock = -1

    @property
    def path(self) -> Path:
        if self._path is None:
            with storage_errors(COPIES):
                self._path, self._lock = _take(self._address, self._copies)
        return self._path

    def close(self) -> None:
        """Leave the directory to another process."""
        lock, self._lock, self._path = self._lock, -1, None
        if lock >= 0:
            os.close(lock)

    def __del__(self) -> None:
        self.close()


def _take(address: str, copies: Path) -> tuple[Path, int]:
    """Take the first slot that no living process has."""
    of = hashlib.sha256(address.encode()).hexdigest()[:16]
    home = copies / f"sqlatch-{os.getuid()}" / of
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    if home.parent.stat().st_uid != os.getuid():
        raise PermissionError(1, "belongs to another user", str(home.parent))
    for number in count():
        slot = home / str(number)
        lock = os.open(home / f"{number}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        slot.mkdir(mode=0o700, exist_ok=True)
        return slot, lock
    raise AssertionError("unreachable")
