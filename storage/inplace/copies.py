"""A file in place copied to another file and back, whole, by SQLite's backup API."""

import os
import sys
from contextlib import closing
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import BadEvent
from storage.copies import copy_pages, is_taken, opened, translated
from storage.engine import KeepsChanging

if TYPE_CHECKING:
    from collections.abc import Callable

    from storage.connection import Session
    from storage.engine import Grant

STEP_PAGES = 2_000
"""Pages that are read under one lock (8 MB of pages of 4 KiB): 10 to 80 ms."""

BETWEEN_STEPS_S = 0.02
"""No lock is held for so long after each step. A writer that waits polls every 25 ms or faster."""

RESTARTS_MAX = 3
BUSY_TIMEOUT_MS = 30_000

OVERWRITES = (*nfs.KEEP_JOURNAL, "PRAGMA synchronous = FULL", nfs.READ)
"""The first statements of the connection that replaces a database."""


def copy_out(reading: "Callable[[], Session]", copy: Path) -> None:
    """Write one moment of a database to a new file.

    `reading` gives the connection that cannot write, before each step. The lock is let go between
    two steps, so that commits get through; SQLite then begins again. KeepsChanging after
    RESTARTS_MAX of these.
    """
    with translated(copy.stem), closing(apsw.Connection(str(copy))) as target:
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
            translated(live.stem),
            closing(opened(copy)) as source,
            closing(apsw.Connection(str(arriving))) as target,
        ):
            copy_pages(source, target)
        check_no_journal(live)
        try:
            os.link(arriving, live)
        except FileExistsError as error:
            raise is_taken(live.stem) from error
    finally:
        arriving.unlink(missing_ok=True)


def check_no_journal(live: Path) -> None:
    """BadEvent if a file of that name would be taken for the one that its journal belongs to.

    SQLite would write the pages of the other into it.
    """
    journal = nfs.journal_of(live)
    nfs.open_directory(live.parent)
    if nfs.open_journal(journal):
        raise BadEvent(
            f"{journal} belongs to a database file that was removed: bring that file back, or move"
            " the journal away",
            field="database",
        )


def write_over(copy: Path, live: Path, grant: "Grant") -> None:
    """Replace what is in a database, in one transaction."""
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
    with (
        translated(live.stem),
        closing(opened(copy)) as source,
        # Pages may spill here, unlike in a request: the transaction is as large as the database.
        closing(apsw.Connection(str(live), flags=flags)) as target,
    ):
        target.set_busy_timeout(BUSY_TIMEOUT_MS)
        for setting in OVERWRITES:
            target.execute(setting).fetchall()
        grant.check()
        copy_pages(source, target)
