"""Leases in an SQLite file: the same lease for the processes of one machine."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple
from math import inf
from pathlib import Path

from sqlatch.kernel.errors import StorageError

from .leader import Term
from .lease import GRACE_S, Claim, HeldLease, TableUnavailable, Taken, superseded

BUSY_S = 1.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS lease (
    database TEXT PRIMARY KEY, lock_id TEXT, holder TEXT, acquired_at REAL, expires_at REAL,
    fence INTEGER NOT NULL
)
"""
SCHEMA_OF_LEADERS = """
CREATE TABLE IF NOT EXISTS term (database TEXT PRIMARY KEY, number INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS leader (
    cluster TEXT PRIMARY KEY, number INTEGER NOT NULL, version TEXT NOT NULL, node TEXT NOT NULL,
    duration_s REAL NOT NULL, since_s REAL NOT NULL, renewed_s REAL NOT NULL,
    offered INTEGER NOT NULL
);
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

FIND_TERM = "SELECT number FROM term WHERE database = ?"
PUT_TERM = "INSERT OR REPLACE INTO term VALUES (?, ?)"
FIND_LEADER = "SELECT * FROM leader WHERE cluster = ?"
PUT_LEADER = "INSERT OR REPLACE INTO leader VALUES (?, ?, ?, ?, ?, ?, ?, ?)"


class SQLiteTable:
    """A file of leases on a local disk. It must not lie on NFS: there WAL does not work."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    def take(self, claim: Claim) -> Taken | HeldLease:
        with self._transaction() as connection:
            before = _held(connection.execute(FIND, (claim.database,)).fetchone())
            is_later = claim.term is not None and _is_later(connection, claim.database, claim.term)
            granted = connection.execute(
                TAKE,
                {
                    "database": claim.database,
                    "lock_id": claim.lock_id,
                    "holder": claim.holder,
                    "now": claim.now_s,
                    "expires_at": claim.expires_at_s,
                    "overdue": inf if is_later else claim.now_s - GRACE_S,
                    "first_fence": int(claim.now_s * 1000),
                },
            ).fetchall()
            if granted and claim.term is not None:
                connection.execute(PUT_TERM, (claim.database, claim.term))
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

    def leader(self, cluster: str) -> Term | None:
        with self._transaction("BEGIN") as connection:
            return _term(connection.execute(FIND_LEADER, (cluster,)).fetchone())

    def put_leader(self, cluster: str, term: Term, seen: Term | None) -> bool:
        with self._transaction() as connection:
            stands = _term(connection.execute(FIND_LEADER, (cluster,)).fetchone())
            if (stands and stands.version) != (seen and seen.version):
                return False
            connection.execute(PUT_LEADER, (cluster, *astuple(term)))
        return True

    def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @contextmanager
    def _transaction(self, begin: str = "BEGIN IMMEDIATE") -> Iterator[sqlite3.Connection]:
        try:
            connection = self._opened or self._open()
            connection.execute(begin)
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
        connection.executescript(SCHEMA_OF_LEADERS)
        return connection


def _is_later(connection: sqlite3.Connection, database: str, term: int) -> bool:
    """Return whether the leaders who had the lease were earlier ones; LeaseLost if one was later.

    False too if none had it.
    """
    row = connection.execute(FIND_TERM, (database,)).fetchone()
    if row is not None and row[0] > term:
        raise superseded(database, term, row[0])
    return row is not None and row[0] < term


def _term(row: tuple[str, int, str, str, float, float, float, int] | None) -> Term | None:
    if row is None:
        return None
    _cluster, number, version, node, duration_s, since_s, renewed_s, offered = row
    return Term(number, version, node, duration_s, since_s, renewed_s, bool(offered))


def _held(row: tuple[str, str | None, str, float, float, int] | None) -> HeldLease | None:
    if row is None:
        return None
    database, lock_id, holder, acquired_at_s, expires_at_s, fence = row
    if lock_id is None:
        return None
    return HeldLease(database, lock_id, holder, acquired_at_s, expires_at_s, fence)
