"""How a database file is made ready and recovered, under the lease, before Django reads it."""

import sqlite3

from sqlatch.django.files import DatabaseFile

JOURNAL_BYTES_MAX = 1024 * 1024
"""To this size a journal is cut back after a larger transaction."""

KEEP_JOURNAL = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = PERSIST",
    f"PRAGMA journal_size_limit = {JOURNAL_BYTES_MAX}",
    "PRAGMA locking_mode = NORMAL",
)
"""What every connection runs first. SQLite reads the file before it can be told that the journal
mode is PERSIST, rolls a hot journal back, and deletes it; not so in exclusive locking mode. Who
finds a journal gone remembers that for 30 s on NFS."""

SETTINGS = (
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 0",
    "PRAGMA cache_spill = OFF",
    "PRAGMA cache_size = -8000",
)
"""No mmap: it is unsafe on NFS. No spill: the file changes at COMMIT only."""

READ = "SELECT 1 FROM sqlite_schema LIMIT 1"


def is_ready(file: DatabaseFile) -> bool:
    """Whether it may be read as it is: it is there, has its journal, is not in WAL mode."""
    file.open_directory()
    return file.has_journal() and not file.is_wal()


def make_ready(file: DatabaseFile, *, timeout_s: float) -> None:
    """Roll back what a killed writer left; make the file, leave WAL mode, make the journal.

    The caller holds the lease.
    """
    file.open_directory()
    file.is_perhaps_hot()
    connection = sqlite3.connect(file.path, timeout=timeout_s, isolation_level=None)
    try:
        for setting in (*KEEP_JOURNAL, *SETTINGS, READ):
            connection.execute(setting).fetchall()
        # A journal of which a crash left but the beginning is rolled back as nothing, and stays.
        if not file.has_journal() or file.is_perhaps_hot():
            _write_a_journal(connection)
    finally:
        connection.close()


def _write_a_journal(connection: sqlite3.Connection) -> None:
    ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    connection.execute("BEGIN IMMEDIATE")
    # Written though it is the same: a transaction that changes nothing makes no journal.
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("COMMIT")
