"""Leases in an SQLite file: the same lease for the processes of one machine."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlatch.kernel.errors import StorageError

from .lease import GRACE_S, Claim, HeldLease, TableUnavailable, Taken

BUSY_S = 1.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    database TEXT PRIMARY KEY, lock_id TEXT, holder TEXT, acquired_at REAL, expires_at REAL,
    fence INTEGER NOT NULL
)
"""
FIND = "SELECT * FROM lease WHERE database = ?"
TAKE = """
INSERT INTO lease VALUES (:database, :lock_id, :holder, :now, :expires_at, :first_fence + 1)
ON CONFLICT (database) DO UPDATE SET
    lock_id = excluded.lock_id, holder = excluded.holder, acquired_at = excluded.acquired_at,
    expires_at = excluded.expires_at, fence = fence + 1
WHERE lock_id IS NULL OR expires_at < :overdue
RETURNING fence
"""
GIVE_BACK = """
UPDATE lease SET lock_id = NULL, holder = NULL, acquired_at = NULL, expires_at = NULL
WHERE database = ? AND lock_id = ?
"""


class SQLiteTable:
    """A file of leases on a local disk. It must not lie on NFS: there WAL does not work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    def take(self, claim: Claim) -> Taken | HeldLease:
        with self._transaction() as connection:
            before = _held(connection.execute(FIND, (claim.database,)).fetchone())
            granted = connection.execute(
                TAKE,
                {
                    "database": claim.database,
                    "lock_id": claim.lock_id,
                    "holder": claim.holder,
                    "now": claim.now_s,
                    "expires_at": claim.expires_at_s,
                    "overdue": claim.now_s - GRACE_S,
                    "first_fence": int(claim.now_s * 1000),
                },
            ).fetchall()
        if granted:
            return Taken(claim.held(granted[0][0]), taken_over=before is not None)
        assert before is not None, "the condition refuses only where the lease is held"
        if before.lock_id == claim.lock_id:
            return Taken(before, taken_over=True)
        return before

    def give_back(self, database: str, lock_id: str) -> None:
        with self._transaction() as connection:
            connection.execute(GIVE_BACK, (database, lock_id))

    def held(self) -> list[HeldLease]:
        with self._transaction() as connection:
            rows = connection.execute("SELECT * FROM lease WHERE lock_id IS NOT NULL").fetchall()
        return [held for row in rows if (held := _held(row))]

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._opened or self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self.close()
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise TableUnavailable(str(error)) from error
            raise StorageError(
                f"the lease table {self._path}: {error}", table=str(self._path)
            ) from error

    def _open(self) -> sqlite3.Connection:
        connection = self._opened = sqlite3.connect(
            self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
        )
        # In WAL mode a power cut takes the last leases at most, and their holders with them.
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute(SCHEMA)
        return connection


def _held(row: tuple[str, str | None, str, float, float, int] | None) -> HeldLease | None:
    if row is None:
        return None
    database, lock_id, holder, acquired_at_s, expires_at_s, fence = row
    if lock_id is None:
        return None
    return HeldLease(database, lock_id, holder, acquired_at_s, expires_at_s, fence)
