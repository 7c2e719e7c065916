"""A database file taken out of its directory, kept for a time, and brought back.

An instance may have the file open under its old name, and an NFS client may show it that name for
half a minute more. So the file is marked, in a transaction, before it is moved: who begins to write
to it sees the mark in the schema that the transaction reads, whatever name it was opened by.
"""

import os
import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import BadEvent
from storage.connection import Session
from storage.copies import exists_already, translated
from storage.inplace.files import Files
from storage.translate import DatabaseReplaced

MARK = "sqlatch_deleted"
MARKED = "the database is deleted, or was to be: delete it again, or bring it back"

KEPT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\.(?P<at>\d{8}T\d{6}Z)-[0-9a-f]{8}")
TIME_FORMAT = "%Y%m%dT%H%M%SZ"


def check_not_marked(session: Session) -> None:
    """DatabaseReplaced if the file is not to be written to any more."""
    if session.connection.table_exists("main", MARK):
        raise DatabaseReplaced(MARKED)


def mark(session: Session, check: Callable[[], None], commit: Callable[[], object]) -> None:
    """Mark the file; `check` is called first, unless it was marked before."""
    with session.transaction("BEGIN IMMEDIATE"):
        if session.connection.table_exists("main", MARK):
            return
        check()
        session.run("CREATE TABLE sqlatch_deleted (a)")
        commit()


def move_away(name: str, files: Files, now_s: float) -> str:
    """Move a file that is marked among those that are kept; return its name there."""
    at = datetime.fromtimestamp(now_s, UTC).strftime(TIME_FORMAT)
    kept = f"{name}.{at}-{os.urandom(4).hex()}"
    with files.storage_errors():
        files.kept.mkdir(exist_ok=True)
        files.path(name).rename(files.kept / f"{kept}.db")
        files.journal(name).unlink(missing_ok=True)
        _sync(files)
    return kept


def bring_back(name: str, kept: str, files: Files) -> None:
    """Give a file that is kept its place again, or that of another name; BadEvent."""
    path = files.kept / f"{kept}.db"
    if KEPT.fullmatch(kept) is None or not path.is_file():
        raise BadEvent(f"no deleted database is kept as {kept!r}", field="kept")
    if files.exists(name):
        raise exists_already(name)
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
    with translated(name), closing(apsw.Connection(str(path), flags=flags)) as connection:
        for setting in (*nfs.KEEP_JOURNAL, "PRAGMA synchronous = FULL", nfs.READ):
            connection.execute(setting).fetchall()
        connection.execute("DROP TABLE IF EXISTS sqlatch_deleted")
    with files.storage_errors():
        path.rename(files.path(name))
        nfs.journal_of(path).unlink(missing_ok=True)
        _sync(files)


def forget(files: Files, before_s: float) -> int:
    """Remove the files that are kept since before then. Returns how many."""
    before = datetime.fromtimestamp(before_s, UTC).strftime(TIME_FORMAT)
    gone = 0
    with files.storage_errors():
        for path in files.kept.glob("*.db") if files.kept.is_dir() else ():
            found = KEPT.fullmatch(path.stem)
            if found is not None and found["at"] < before:
                path.unlink(missing_ok=True)
                nfs.journal_of(path).unlink(missing_ok=True)
                gone += 1
    return gone


def _sync(files: Files) -> None:
    for directory in (files.directory, files.kept):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
