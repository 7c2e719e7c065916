"""The result of a statement as the protocol has it (StmtResult), in JSON."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from sqlexec.transaction import Ran

Outcome = dict[str, Any]
"""Columns, rows, and what was changed."""


@dataclass(frozen=True, slots=True)
class Known:
    """The digest by which a replay compares a statement that was run, and its page."""

    digest: str
    page: str | None = None
    rows_count: int = 0
    rows_bytes: int = 0


def empty_outcome() -> Outcome:
    return {"cols": [], "rows": [], "affected_row_count": 0, "last_insert_rowid": None}


def outcome_of(ran: Ran) -> Outcome:
    """Return what a statement gave, its rows as the answer's encoder made them."""
    rowid = ran.last_insert_rowid
    return {
        "cols": [{"name": name, "decltype": declared} for name, declared in ran.columns],
        "rows": ran.rows,
        "affected_row_count": ran.rows_affected,
        "last_insert_rowid": str(rowid) if rowid else None,
    }


def in_one_order(outcome: Outcome) -> Outcome:
    """Return an outcome with its rows sorted, to be compared with that of another connection."""
    return {**outcome, "rows": sorted(outcome["rows"], key=to_json)}


def without_rows(outcome: Outcome) -> Outcome:
    return {**outcome, "rows": []}
