"""The time, chance and counts of statements that may have to be run again with the same answers."""

from hashlib import shake_256
from itertools import count
from typing import Any

import apsw

FLAGS = apsw.SQLITE_INNOCUOUS
"""They may stand in a schema, as SQLite's own do: DEFAULT (random())."""

BLOB_BYTES_MAX = 16 * 1024 * 1024

EPOCH_MS = 210_866_760_000_000
"""1970 by SQLite's clock, in milliseconds of the Julian day."""

_numbers = count()


class Pins:
    """The time and the random numbers of connections, as `pin` says, and their counts of changes.

    The time is that of a file system, `vfs`, for SQLite asks there: so its functions of dates are
    its own, and it refuses them itself where the time may not be used (an index, a CHECK). The
    functions of chance and counts stand over SQLite's for good: a connection forgets those it had.
    """

    def __init__(self) -> None:
        self._own = apsw.Connection(":memory:")
        self._clock = _Clock(f"pinned-{next(_numbers)}")
        self._seed = b""
        self._drawn = 0
        self._changes_before = 0

    @property
    def vfs(self) -> str:
        """The name of the file system that a connection has to be opened on."""
        return self._clock.name

    @property
    def at_ms(self) -> int:
        """The time that is pinned, epoch milliseconds."""
        return self._clock.at_ms

    def begin(self, connection: apsw.Connection) -> None:
        """Count changes from here on: what others have changed on the connection is not counted."""
        self._changes_before = connection.total_changes()

    def pin(self, at_ms: int, seed: bytes) -> None:
        """Until the next call it is `at_ms` (epoch); chance gives what follows from the seed."""
        self._clock.at_ms = at_ms
        self._seed = seed
        self._drawn = 0

    def install(self, connection: apsw.Connection) -> None:
        """Let the connection's statements ask here."""
        functions: dict[tuple[str, int], Any] = {
            ("random", 0): lambda: int.from_bytes(self._draw(8), "big", signed=True),
            ("randomblob", 1): self._blob,
            ("total_changes", 0): lambda: self._total_changes(connection),
            ("changes", 0): lambda: connection.changes() if self._total_changes(connection) else 0,
        }
        for (name, arguments), function in functions.items():
            connection.create_scalar_function(name, function, arguments, flags=FLAGS)

    def close(self) -> None:
        self._own.close()
        self._clock.unregister()

    def _total_changes(self, connection: apsw.Connection) -> int:
        return connection.total_changes() - self._changes_before

    def _draw(self, count: int) -> bytes:
        self._drawn += 1
        return shake_256(self._seed + self._drawn.to_bytes(8, "big")).digest(count)

    def _blob(self, count: Any) -> bytes:
        ((size_bytes,),) = self._own.execute("SELECT CAST(? AS INTEGER)", (count,))
        if (size_bytes or 0) > BLOB_BYTES_MAX:
            raise apsw.TooBigError("string or blob too big")
        return self._draw(max(1, size_bytes or 0))


class _Clock(apsw.VFS):
    """The ordinary file system, but for the time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.at_ms = 0
        self._base = apsw.vfs_names()[0]
        super().__init__(name, self._base)

    def xCurrentTimeInt64(self) -> int:
        return EPOCH_MS + self.at_ms

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._base, name, flags)

    def excepthook(self, *_error: Any) -> bool:
        return True


class _File(apsw.VFSFile):
    def __init__(self, base: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._is_read_only = bool(flags[0] & apsw.SQLITE_OPEN_READONLY)
        super().__init__(base, name, flags)

    def xLock(self, level: int) -> None:
        """Lock, where only a busy file is no error: apsw raises any other in the end.

        A reader that finds an empty file and a journal tries for a lock to write, which its file
        cannot have; SQLite then goes on without.
        """
        try:
            super().xLock(level)
        except apsw.IOError as error:
            if level < apsw.SQLITE_LOCK_RESERVED or not self._is_read_only:
                raise
            raise apsw.BusyError from error

    def excepthook(self, *_error: Any) -> bool:
        """An error of a file is SQLite's to report, and it does: nothing else is to be said."""
        return True
