"""The record that makes a write happen once: in the same database and transaction as its effect."""

from dataclasses import dataclass

from sqlatch.kernel.errors import (
    Constraint,
    ForbiddenStatement,
    IdempotencyConflict,
    StatementError,
)
from sqlatch.kernel.values import Row, Value
from sqlexec.statement import IdempotencyKey, Outcome
from storage.connection import Session
from storage.engine import Table
from storage.policy import OWN_PREFIX, firing_nothing

PURGED_AT_ONCE_MAX = 1_000
"""Of one transaction, so that writers get in between two."""

LOOKED_AT_MAX = 100
"""The number of oldest records in which one past its time is looked for. One would do if all clocks
were right: a record dated by one that was ahead stands before others that are due."""

TABLE = Table(
    "sqlatch_idempotency",
    """
CREATE TABLE IF NOT EXISTS sqlatch_idempotency (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    fingerprint BLOB,
    reply TEXT,
    created_at_s INTEGER NOT NULL
) STRICT
""",
)
"""`id` grows with time, so the oldest records are the first, by whatever clock they are dated.
`fingerprint` and `reply` are null for a message of a queue, to which nobody waits for an answer."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record as it was kept."""

    fingerprint: Value
    reply: str


def has_table(session: Session) -> bool:
    return bool(session.run("SELECT 1 FROM sqlite_schema WHERE lower(name) = ?", TABLE.name))


def refuse_own_names(session: Session) -> None:
    """ForbiddenStatement if what was just defined has a name of ours, or refers to one.

    Nobody could use or drop a table of such a name. A foreign key to our table would show its
    records, and hold them or be cascaded to when they are deleted.
    """
    named = session.run(
        "SELECT name FROM sqlite_schema WHERE name LIKE ? ESCAPE '!' AND lower(tbl_name) <> ?",
        _OWN_PATTERN,
        TABLE.name,
    )
    if named:
        raise ForbiddenStatement(
            f"not allowed here: {named[0][0]!s}: tables named {OWN_PREFIX}... are the service's own"
        )
    # The authorizer is not asked about a REFERENCES clause. No text without the prefix has one.
    suspects = session.run(
        "SELECT name FROM sqlite_schema"
        " WHERE type = 'table' AND sql LIKE ? ESCAPE '!' AND lower(name) <> ?",
        f"%{_OWN_PATTERN}",
        TABLE.name,
    )
    for (table,) in suspects:
        _refuse_references(session, str(table))


_OWN_PATTERN = OWN_PREFIX.replace("_", "!_") + "%"


def _refuse_references(session: Session, table: str) -> None:
    # Not the table-valued function pragma_foreign_key_list, whose name a user's table may have.
    quoted = '"' + table.replace('"', '""') + '"'
    for _id, _number, parent, *_columns in session.run(f"PRAGMA foreign_key_list({quoted})"):
        if str(parent).lower().startswith(OWN_PREFIX):
            raise ForbiddenStatement(
                f"not allowed here: {table} refers to {parent!s}:"
                f" tables named {OWN_PREFIX}... are the service's own"
            )


def find(session: Session, key: IdempotencyKey) -> Outcome | None:
    """The outcome of the first request with this key; IdempotencyConflict if it was another one."""
    found = _run(
        session, "SELECT fingerprint, reply FROM sqlatch_idempotency WHERE key = ?", key.text
    )
    if not found:
        return None
    fingerprint, reply = found[0]
    if fingerprint != key.fingerprint:
        raise IdempotencyConflict(
            f"the idempotency key {key.text!r} was used for another request: give each"
            " request a key of its own"
        )
    return Outcome([], wrote=False, replayed=str(reply or ""))


def records(session: Session, *, after: str, before: str, also: str) -> list[Record]:
    """The records whose keys lie between two, and that of one key more, oldest first."""
    found = _run(
        session,
        "SELECT fingerprint, reply FROM sqlatch_idempotency"
        " WHERE key > ? AND key < ? OR key = ? ORDER BY id",
        after,
        before,
        also,
    )
    return [Record(fingerprint, str(reply)) for fingerprint, reply in found]


def keep(session: Session, key: IdempotencyKey, reply: str | None, now_s: float) -> None:
    """Keep the record of a request that has just run, in its transaction."""
    _run(
        session,
        "INSERT INTO sqlatch_idempotency (key, fingerprint, reply, created_at_s)"
        " VALUES (?, ?, ?, ?)",
        key.text,
        key.fingerprint,
        reply,
        int(now_s),
    )


def forget_changes(session: Session) -> None:
    """Make changes() 0, also in triggers, where it would still be another caller's.

    Only a statement that changes rows sets it, even if it changes none.
    """
    if session.connection.changes():
        _run(session, "DELETE FROM sqlatch_idempotency WHERE 0")


def is_due(session: Session, before_s: float, now_s: float) -> bool:
    """Return whether one of the oldest records is older than that; False without records or table.

    What is dated later than now is passed over: it says nothing of what stands behind it.
    """
    if not has_table(session):
        return False
    due = _run(
        session,
        "SELECT 1 FROM (SELECT created_at_s FROM sqlatch_idempotency"
        " WHERE created_at_s <= ? ORDER BY id LIMIT ?) WHERE created_at_s < ? LIMIT 1",
        int(now_s),
        LOOKED_AT_MAX,
        int(before_s),
    )
    return bool(due)


def purge(session: Session, before_s: float, now_s: float) -> int:
    """Delete records older than that, a bounded number of them; how many."""
    _run(
        session,
        "DELETE FROM sqlatch_idempotency WHERE created_at_s < ? AND id IN"
        " (SELECT id FROM sqlatch_idempotency WHERE created_at_s <= ? ORDER BY id LIMIT ?)",
        int(before_s),
        int(now_s),
        PURGED_AT_ONCE_MAX,
    )
    return session.connection.changes()


def _run(session: Session, sql: str, *values: Value) -> list[Row]:
    """Run a statement on our table, which a file that was copied in may have in another shape."""
    try:
        with firing_nothing(session.connection):
            return session.run(sql, *values)
    except (StatementError, Constraint) as error:
        if "sqlite_code" not in error.facts:
            raise
        raise StatementError(
            f"the table sqlatch_idempotency is not as this service makes it ({error}), so no"
            " idempotency_key can be used: move the database out, drop that table, and move it in"
            " again (docs/runbook.md)",
            **error.facts,
        ) from error
