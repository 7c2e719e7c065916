"""A database copied to a file and back, whole, by SQLite's backup API."""

import os
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import BadEvent, DatabaseCorrupt
from storage.translate import FOREIGN_ERRORS, in_our_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from storage.connection import Session
    from storage.engine import Grant

STEP_PAGES = 2_000
"""Pages that are read under one lock (8 MB of pages of 4 KiB): 10 to 80 ms."""

BETWEEN_STEPS_S = 0.02
"""No lock is held for so long after each step. A writer that waits polls every 25 ms or faster."""

RESTARTS_MAX = 3
FINDINGS_MAX = 10
BUSY_TIMEOUT_MS = 30_000

OVERWRITES = (*nfs.KEEP_JOURNAL, "PRAGMA synchronous = FULL", nfs.READ)
"""The first statements of the connection that replaces a database."""


class KeepsChanging(Exception):
    """Commits of others made the copy begin again too often: hold the lease while it is made."""


@dataclass(frozen=True, slots=True)
class Checked:
    """The findings in a copy whose integrity check is ok.

    `foreign_keys` is how many rows refer to nothing, up to FINDINGS_MAX, or why SQLite cannot tell.
    """

    size_bytes: int
    foreign_keys: int | str


def copy_out(reading: "Callable[[], Session]", copy: Path) -> None:
    """Write one moment of a database to a new file.

    `reading` gives the connection that cannot write, before each step. The lock is let go between
    two steps, so that commits get through; SQLite then begins again. KeepsChanging after
    RESTARTS_MAX of these.
    """
    with _errors(copy.stem), closing(apsw.Connection(str(copy))) as target:
        source = reading()
        with target.backup("main", source.connection, "main") as backup:
            restarts, left = 0, sys.maxsize
            while not backup.step(STEP_PAGES):
                if backup.remaining >= left:
                    restarts += 1
                    if restarts > RESTARTS_MAX:
                        raise KeepsChanging
                left = backup.remaining
                sleep(BETWEEN_STEPS_S)
                reading()


def bring_in(copy: Path, live: Path) -> None:
    """Add a database: under its name it appears whole or not at all, and never over another."""
    arriving = live.with_name(f".{live.stem}.{os.urandom(8).hex()}.arriving")
    try:
        with (
            _errors(live.stem),
            closing(_source(copy)) as source,
            closing(apsw.Connection(str(arriving))) as target,
        ):
            _whole(source, target)
        try:
            os.link(arriving, live)
        except FileExistsError as error:
            raise BadEvent(
                f"the database {live.stem!r} exists: 'over' replaces what is in it",
                field="database",
            ) from error
    finally:
        arriving.unlink(missing_ok=True)


def write_over(copy: Path, live: Path, grant: "Grant") -> None:
    """Replace what is in a database, in one transaction."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
    with (
        _errors(live.stem),
        closing(_source(copy)) as source,
        # Pages may spill here, unlike in a request: the transaction is as large as the database.
        closing(apsw.Connection(str(live), flags=flags)) as target,
    ):
        target.set_busy_timeout(BUSY_TIMEOUT_MS)
        for setting in OVERWRITES:
            target.execute(setting).fetchall()
        grant.check()
        _whole(source, target)


def check(copy: Path) -> Checked:
    """Check a copy; DatabaseCorrupt if it is not what SQLite calls ok."""
    with _errors(copy.stem), closing(_source(copy)) as connection:
        verdict = connection.execute(f"PRAGMA integrity_check({FINDINGS_MAX})").fetchall()
        if verdict != [("ok",)]:
            found = "; ".join(str(line) for (line,) in verdict)
            raise DatabaseCorrupt(f"integrity_check of the copy: {found}")
        try:
            broken = list(islice(connection.execute("PRAGMA foreign_key_check"), FINDINGS_MAX))
        except apsw.SQLError as error:
            # A parent key that is not unique: SQLite says so when such a row is written.
            return Checked(copy.stat().st_size, str(error))
        return Checked(copy.stat().st_size, len(broken))


def leave_wal(copy: Path) -> None:
    """Take the mark of WAL out of a copy: WAL does not work over NFS."""
    with _errors(copy.stem), closing(apsw.Connection(str(copy))) as connection:
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()


def _source(copy: Path) -> apsw.Connection:
    return apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)


def _whole(source: apsw.Connection, target: apsw.Connection) -> None:
    """Copy all pages in one transaction of the target."""
    with target.backup("main", source, "main") as backup:
        backup.step(-1)


@contextmanager
def _errors(database: str) -> "Iterator[None]":
    try:
        yield
    except FOREIGN_ERRORS as error:
        raise in_our_words(error, database) from error
