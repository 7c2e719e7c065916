"""The record that makes a write happen once: in the same database and transaction as its effect."""

from sqlatch.errors import ForbiddenStatement, IdempotencyConflict
from sqlexec.policy import OWN_PREFIX
from sqlexec.session import Session
from sqlexec.statement import Once, Outcome

PURGED_AT_ONCE_MAX = 1_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS sqlatch_idempotency (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    fingerprint BLOB,
    reply TEXT,
    created_at_s INTEGER NOT NULL
) STRICT
"""
"""`id` grows with time, so the oldest records are the first. `fingerprint` and `reply` are null for
a message of a queue, to which nobody waits for an answer."""


def has_table(session: Session) -> bool:
    return bool(session.run("SELECT 1 FROM sqlite_schema WHERE name = 'sqlatch_idempotency'"))


def refuse_own_names(session: Session) -> None:
    """ForbiddenStatement if a table was given a name that is ours: nobody could use or drop it."""
    named = session.run(
        "SELECT name FROM sqlite_schema WHERE name LIKE ? ESCAPE '!' AND tbl_name <> ?",
        OWN_PREFIX.replace("_", "!_") + "%",
        "sqlatch_idempotency",
    )
    if named:
        raise ForbiddenStatement(
            f"not allowed here: {named[0][0]!s}: tables named {OWN_PREFIX}... are the service's own"
        )


def find(session: Session, once: Once) -> Outcome | None:
    """The outcome of the first request with this key; IdempotencyConflict if it was another one."""
    found = session.run(
        "SELECT fingerprint, reply FROM sqlatch_idempotency WHERE key = ?", once.key
    )
    if not found:
        return None
    fingerprint, reply = found[0]
    if fingerprint != once.fingerprint:
        raise IdempotencyConflict(f"the idempotency key {once.key!r} was used for another request")
    return Outcome([], replayed=str(reply or ""))


def keep(session: Session, once: Once, outcome: Outcome, now_s: float) -> None:
    """Keep the record of a request that has just run, in its transaction."""
    reply = None if once.fingerprint is None else once.encode(outcome.results)
    session.run(
        "INSERT INTO sqlatch_idempotency (key, fingerprint, reply, created_at_s)"
        " VALUES (?, ?, ?, ?)",
        once.key,
        once.fingerprint,
        reply,
        int(now_s),
    )


def is_due(session: Session, before_s: float) -> bool:
    """Whether the oldest record is older than that; no record, or no table, is not."""
    if not has_table(session):
        return False
    oldest = session.run("SELECT created_at_s FROM sqlatch_idempotency ORDER BY id LIMIT 1")
    return bool(oldest) and float(oldest[0][0] or 0) < before_s


def purge(session: Session, before_s: float) -> int:
    """Delete records older than that, a bounded number of them; how many."""
    session.run(
        "DELETE FROM sqlatch_idempotency WHERE created_at_s < ? AND id IN"
        " (SELECT id FROM sqlatch_idempotency ORDER BY id LIMIT ?)",
        int(before_s),
        PURGED_AT_ONCE_MAX,
    )
    return session.connection.changes()
