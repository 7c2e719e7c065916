"""Make a database file ready, and recover it, under the lease, before Django reads it."""

import sqlite3

from sqlatch.django.files import DatabaseFile
from sqlatch.kernel import nfs

WAL_IN_USE = (
    "database is locked: it is in WAL mode, and in use elsewhere: end the program that uses it"
)


def is_ready(file: DatabaseFile) -> bool:
    """Return whether the file can be read as it is: with a journal, and not in WAL mode."""
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
        prepare(lambda sql: connection.execute(sql).fetchall())
        if not file.has_journal() or file.is_perhaps_hot():
            _write_a_journal(connection)
    finally:
        connection.close()


def prepare(run: nfs.Run) -> None:
    """Run what a connection runs first; OperationalError if the file stays in WAL mode."""
    if not nfs.run_first(run):
        raise sqlite3.OperationalError(WAL_IN_USE)
    for statement in (*nfs.SETTINGS, nfs.READ):
        run(statement)


def _write_a_journal(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    nfs.dirty(lambda sql: connection.execute(sql).fetchall())
    connection.execute("COMMIT")
