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
from pathlib import Path

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import BadEvent
from storage.connection import Session
from storage.copies import exists_already, translated
from storage.inplace.copies import BUSY_TIMEOUT_MS, check_no_journal
from storage.inplace.files import SUFFIX, Files
from storage.translate import DatabaseReplaced

MARK = "sqlatch_deleted"
MARKED = "the database is deleted, or was to be: delete it again, then it can be brought back"

KEPT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\.(?P<at>\d{8}T\d{6}Z)-[0-9a-f]{8}")
JOURNAL = "-journal"
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


def move_away(
    name: str, session: Session, identity: tuple[int, int] | None, files: Files, now_s: float
) -> str:
    """Move a file that is marked among those that are kept; return its name there.

    Whoever moves a file holds its SQLite lock. So it is the file of this name until the move, and
    the next one may not lose its journal: a holder that was frozen moves nothing that others have
    made since. DatabaseReplaced.
    """
    at = datetime.fromtimestamp(now_s, UTC).strftime(TIME_FORMAT)
    kept = f"{name}.{at}-{os.urandom(4).hex()}"
    with session.transaction("BEGIN IMMEDIATE"):
        files.open_directory()
        if files.identity(name) != identity or not session.connection.table_exists("main", MARK):
            raise DatabaseReplaced("another has deleted it, or brought it back")
        with files.storage_errors():
            files.kept.mkdir(exist_ok=True)
            files.journal(name).unlink(missing_ok=True)
            files.path(name).rename(files.kept / f"{kept}.db")
            _sync(files)
    return kept


def bring_back(name: str, kept: str, files: Files) -> None:
    """Give a file that is kept its place again, or that of another name; BadEvent.

    Two may do it at once, under two names and so with a lease each: the file's lock is for one.
    """
    path = files.kept / f"{kept}.db"
    if KEPT.fullmatch(kept) is None or not path.is_file():
        raise _not_kept(kept)
    if files.exists(name):
        raise exists_already(name)
    check_no_journal(files.path(name))
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
    identity = _identity(path)
    with translated(name), closing(apsw.Connection(str(path), flags=flags)) as connection:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        for setting in (*nfs.KEEP_JOURNAL, "PRAGMA synchronous = FULL", nfs.READ):
            connection.execute(setting).fetchall()
        connection.execute("DROP TABLE IF EXISTS sqlatch_deleted")
        connection.execute("BEGIN IMMEDIATE")
        with files.storage_errors():
            nfs.open_directory(files.kept)
            if _identity(path) != identity:
                raise _not_kept(kept)
            if not _has_come_back(identity, files):
                _link(path, name, files)
            path.unlink()
            nfs.journal_of(path).unlink(missing_ok=True)
            _sync(files)
    if files.identity(name) != identity:
        raise _not_kept(kept)


def forget(files: Files, before_s: float) -> int:
    """Remove the files that are kept since before then. Returns how many."""
    before = datetime.fromtimestamp(before_s, UTC).strftime(TIME_FORMAT)
    gone = 0
    with files.storage_errors():
        for path in files.kept.iterdir() if files.kept.is_dir() else ():
            name, is_journal, _rest = path.name.partition(JOURNAL)
            found = KEPT.fullmatch(name.removesuffix(SUFFIX))
            if found is None or found["at"] >= before:
                continue
            if not is_journal:
                path.unlink(missing_ok=True)
                nfs.journal_of(path).unlink(missing_ok=True)
                gone += 1
            elif not path.with_name(name).exists():
                path.unlink(missing_ok=True)  # of one that died in between
    return gone


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _has_come_back(identity: tuple[int, int] | None, files: Files) -> bool:
    """Return whether the file has the name of a database too: who gave it that died then."""
    return any(files.identity(name) == identity for name in files.names())


def _link(path: Path, name: str, files: Files) -> None:
    """Give a file a second name, which no other has."""
    try:
        files.path(name).hardlink_to(path)
    except FileExistsError as error:
        if files.identity(name) != _identity(path):  # else the server did it twice
            raise exists_already(name) from error


def _not_kept(kept: str) -> BadEvent:
    return BadEvent(f"no deleted database is kept as {kept!r}", field="kept")


def _sync(files: Files) -> None:
    for directory in (files.directory, files.kept):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
