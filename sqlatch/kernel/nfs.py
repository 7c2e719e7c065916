"""The rules by which many machines share an SQLite file over NFS, with reasons and measurements.

The service follows them on apsw, the Django backend on sqlite3: `run` runs a statement and returns
its rows. What is measured here was seen on Linux's NFSv4.1 client with its default options, on two
servers (nfs-ganesha and the kernel's); EFS speaks the same protocol.

The danger is a journal that a client does not see. A writer is killed in its COMMIT, after its
first pages have reached the file, and a second client, which had looked for the journal a moment
before, believes for up to 30 s that there is none (journal mode DELETE), or for 3 to 6 s that it is
empty (TRUNCATE). It reads half a transaction (1,349 of 1,500 rows), and its next write makes that
permanent; `integrity_check` says ok. Of three runs each, by what the second client did before:

                                      DELETE  TRUNCATE  PERSIST
    nothing                              3        3        0  wrong
    opened the directory                 0        3        0
    opened the journal                   3        0        0
    opened the directory, the journal    0        0        0
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[str], list[tuple[Any, ...]]]

JOURNAL_BYTES_MAX = 1024 * 1024
"""A larger journal is cut back to this size after its transaction."""

KEEP_JOURNAL = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = PERSIST",
    f"PRAGMA journal_size_limit = {JOURNAL_BYTES_MAX}",
    "PRAGMA locking_mode = NORMAL",
)
"""The first statements of a connection that may write.

PERSIST is the one mode that was never wrong: the journal file is there before a reader looks, so
SQLite opens it under its own lock at each read, and NFS revalidates a file that is opened. A probe
before that lock leaves a gap. PERSIST costs 12 NFS operations a warm read where DELETE costs 7.

The locking mode is EXCLUSIVE meanwhile because SQLite reads the file before it can be told the
journal mode: it rolls back a hot journal at that read, and deletes it, except in this locking mode.
It is also the mode in which a file can leave WAL without shared memory. The next read, READ, ends
the exclusive lock.
"""

SETTINGS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    "PRAGMA cache_spill = OFF",
    "PRAGMA cache_size = -8000",
)
"""The settings of every connection.

FULL: EXTRA costs nothing more in PERSIST mode and gains nothing. mmap is unsafe on NFS. Without
spills the file changes at COMMIT only, so a writer killed earlier leaves nothing to recover.
"""

READ = "SELECT 1 FROM sqlite_schema LIMIT 1"
"""A read of the file: it rolls back a hot journal, and loads the schema as it is now."""

WAL_VERSION = 2
VERSIONS_OFFSET = 18
"""Two bytes of a database's header, the versions to write and to read it with: WAL if one is 2.

Two NFS clients cannot share WAL: in 60 of 60 rounds they disagreed, and updates were lost silently.
"""


def journal_of(database: Path) -> Path:
    """Return the path of a database's rollback journal."""
    return database.with_name(f"{database.name}-journal")


def open_directory(directory: Path) -> None:
    """Open and close a directory, so that the NFS client asks again which files are in it."""
    os.close(os.open(directory, os.O_RDONLY | os.O_DIRECTORY))


def open_journal(journal: Path) -> bool | None:
    """Open the journal, so that NFS revalidates it. Return whether it may be hot, None if absent.

    SQLite goes by the first byte too: that of its magic number, or zero once the transaction has
    ended. A crash may leave only the beginning of the magic number; SQLite rolls such a journal
    back to nothing and leaves it as it is, and readers go on asking for recovery: see `dirty`.

    Like SQLite, it follows no symbolic link. A fifo does not block it.
    """
    try:
        descriptor = os.open(journal, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        return os.read(descriptor, 1) not in (b"", b"\0")
    finally:
        os.close(descriptor)


has_journal = os.path.lexists
"""Return whether the journal exists, by one lstat: asked at each read and write.

A file without one (new, or copied in) gets one by a first transaction under the lease, before it is
read; another program may remove it at any time.
"""


def run_first(run: Run) -> bool:
    """Run KEEP_JOURNAL. Return whether the journal mode is PERSIST: in use elsewhere, WAL stays."""
    _locking, mode, *_rest = [run(statement) for statement in KEEP_JOURNAL]
    return mode == [("persist",)]


def dirty(run: Run) -> None:
    """Change the file without changing what is in it, in the transaction that is open.

    A transaction that changes nothing makes no journal, and writes none over.
    """
    ((version,),) = run("PRAGMA user_version")
    run(f"PRAGMA user_version = {version}")
