"""litestream-vfs: SQLite reads the pages of a Litestream replica, here the snapshot of a log.

It asks the replica for new files once a second. A write is acknowledged when it lies in a buffer on
the local disk, and stored within a second, by the only writer: that is another promise, so only its
reads are measured. The replica is that of LITESTREAM_REPLICA_URL at the start of the process.
"""

from pathlib import Path

import apsw
import litestream_vfs

from benchmarks import data
from benchmarks.service import DATABASE, LOGS

REFUSALS: tuple[type[Exception], ...] = ()
VARIABLE = "LITESTREAM_REPLICA_URL"
URI = "file:main.db?vfs=litestream"


class Litestream:
    """One warm connection."""

    def __init__(self) -> None:
        with_extension = apsw.Connection(":memory:")
        with_extension.enable_load_extension(enable=True)
        with_extension.load_extension(litestream_vfs.loadable_path())
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        self._connection = apsw.Connection(URI, flags=flags)

    def read(self, number: int) -> str:
        rows = self._connection.execute(data.READ, (number,)).fetchall()
        return str(rows[0][1])

    def write(self, number: int) -> None:
        raise NotImplementedError(f"row {number} would not be stored yet")

    def close(self) -> None:
        self._connection.close()


def open_subject(_directory: Path) -> Litestream:
    return Litestream()


def url_of(directory: Path) -> str:
    """The replica of a log that was made in that directory."""
    return f"file://{directory / LOGS / DATABASE}"
