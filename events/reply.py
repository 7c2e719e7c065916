"""The reply: what callers get back, and the shape of each part."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from events.values import Row, rows_out


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
    as_objects = rows_as == "objects"
    names = _apart(columns) if as_objects else list(columns)
    values = rows_out(rows)
    result: ResultReply = {
        "columns": names,
        "rows": [dict(zip(names, row, strict=True)) for row in values] if as_objects else values,
        "rows_affected": rows_affected,
        "last_insert_rowid": last_insert_rowid,
    }
    if truncated:
        result["truncated"] = True
    return result


def _apart(columns: Sequence[str]) -> list[str]:
    """Names that no two columns share, `:1` behind the second `id` as SQLite itself does it."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}:{number}"
        names.append(name)
    return names
