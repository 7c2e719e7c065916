"""The reply: what callers get back, and the shape of each part."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from events.values import Row, rows_out
from sqlatch.errors import StatementError


class ResultReply(TypedDict):
    """The result of one statement. `rows` are lists, or objects by column name."""

    columns: list[str]
    rows: Sequence[Any]
    rows_affected: int
    last_insert_rowid: int | None
    truncated: NotRequired[bool]


class Meta(TypedDict):
    """How the request went. `lease_wait_ms` is null where no lease was taken."""

    database: str
    duration_ms: float
    wrote: bool
    lease_wait_ms: float | None
    replayed: bool


class QueryReply(ResultReply):
    """The reply to `query`."""

    meta: Meta


class BatchReply(TypedDict):
    """The reply to `statements`: a result for each."""

    results: list[ResultReply]
    meta: Meta


def result_out(
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    rows_affected: int,
    last_insert_rowid: int | None,
    truncated: bool,
    rows_as: str,
) -> ResultReply:
    """One statement's result as callers read it."""
    result: ResultReply = {
        "columns": list(columns),
        "rows": _objects(columns, rows_out(rows)) if rows_as == "objects" else rows_out(rows),
        "rows_affected": rows_affected,
        "last_insert_rowid": last_insert_rowid,
    }
    if truncated:
        result["truncated"] = True
    return result


def _objects(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if list(columns).count(name) > 1)
        raise StatementError(
            f"two columns are named {twice!r}: name them apart with AS, or take rows as arrays"
        )
    return [dict(zip(columns, row, strict=True)) for row in rows]
