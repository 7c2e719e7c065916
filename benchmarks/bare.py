"""The floor: apsw and nothing else, one connection kept open, journal and fsyncs as the service."""

from pathlib import Path

import apsw

from benchmarks import data

REFUSALS: tuple[type[Exception], ...] = (apsw.BusyError,)
PATIENCE_MS = 20_000

SETTINGS = (
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA journal_size_limit = 1048576",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_size = -8000",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    "PRAGMA foreign_keys = ON",
)


class Bare:
    """One warm connection."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path)

    def read(self, number: int) -> str:
        rows = self.connection.execute(data.READ, (number,)).fetchall()
        return str(rows[0][1])

    def write(self, number: int) -> None:
        self.connection.execute(data.WRITE, data.values_of(number))

    def close(self) -> None:
        self.connection.close()


def connect(path: Path) -> apsw.Connection:
    """A connection with the settings that the service has too."""
    connection = apsw.Connection(str(path))
    connection.set_busy_timeout(PATIENCE_MS)
    for setting in SETTINGS:
        connection.execute(setting).fetchall()
    return connection


def open_subject(directory: Path) -> Bare:
    return Bare(directory / data.FILE)
