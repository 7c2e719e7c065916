"""The reply: what callers get back, and the shape of each part."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from pydantic_core import to_json

from events import values
from events.values import Row, escapes_bytes


class ResultReply(TypedDict):
    """The result of one statement. `rows` are lists, or objects by column name."""

    columns: list[str]
    rows: list[Any]
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


def rows_out(
    columns: Sequence[str], rows: list[Row], *, as_objects: bool, in_text: bool
) -> tuple[list[Any], int]:
    """Rows as callers read them, and their bytes on the wire; see `values.rows_out`."""
    sent, size_bytes = values.rows_out(rows, in_text=in_text)
    if not as_objects:
        return sent, size_bytes
    names = names_apart(columns)
    encoded = to_json(names)
    names_bytes = len(encoded) + 3 * len(names) + (escapes_bytes(encoded) if in_text else 0)
    objects = [dict(zip(names, row, strict=True)) for row in sent]
    return objects, size_bytes + len(rows) * names_bytes


def result_out(
    columns: Sequence[str],
    rows: list[Any],
    *,
    rows_affected: int,
    last_insert_rowid: int | None,
    truncated: bool,
    as_objects: bool,
) -> ResultReply:
    """One statement's result, whose rows are as `rows_out` makes them."""
    result: ResultReply = {
        "columns": names_apart(columns) if as_objects else list(columns),
        "rows": rows,
        "rows_affected": rows_affected,
        "last_insert_rowid": last_insert_rowid,
    }
    if truncated:
        result["truncated"] = True
    return result


def names_apart(columns: Sequence[str]) -> list[str]:
    """Names that no two columns share, `:1` behind the second `id` as SQLite itself does it."""
    names: list[str] = []
    for column in columns:
        name, number = column, 0
        while name in names:
            number += 1
            name = f"{column}:{number}"
        names.append(name)
    return names
