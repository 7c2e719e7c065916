"""The reply: what callers get back, and the shape of each part."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, NotRequired, Protocol, TypedDict

from pydantic_core import to_json

from events import values
from events.values import Row, escapes_bytes
from sqlatch.kernel.values import names_apart


class PageReply(TypedDict):
    """The end of a page: what to ask for as the next `page`, null if this is the last one.

    `state` is a text that is the same for as long as the database does not change.
    """

    next: str | None
    state: str


class CostReply(TypedDict):
    """The time of a statement, and the rows that SQLite stepped over without an index.

    `rows_scanned` is null for a statement with several sets of values: it is not counted.
    """

    duration_ms: float
    rows_scanned: int | None


class ResultReply(TypedDict):
    """One statement's result. `rows` are lists, or objects by column name, or chunks of them.

    `cost` is there if the request asks for `costs`; null for a statement that was not run, as one
    without a set of values, or that is not measured, as VACUUM.
    """

    columns: list[str]
    rows: list[Any]
    rows_affected: int
    last_insert_rowid: int | None
    truncated: NotRequired[bool]
    page: NotRequired[PageReply]
    cost: NotRequired[CostReply | None]


class LinkReply(TypedDict):
    """A file with a whole result, got by its URL alone, until `ends_at` (UTC) at the latest."""

    url: str
    format: str
    bytes: int
    rows: int
    ends_at: str


class Meta(TypedDict):
    """The `meta` of a reply. `lease_wait_ms` is null where no lease was taken.

    `position` is that of the state which was read or made, where databases are kept in a log;
    `age_ms` is the time since that state was the newest, as far as a node that follows
    knows; null: it has asked nobody since it was started.
    """

    database: str
    duration_ms: float
    wrote: bool
    lease_wait_ms: float | None
    replayed: bool
    position: NotRequired[str]
    age_ms: NotRequired[int | None]


class QueryReply(ResultReply):
    """The reply to `query`."""

    meta: Meta


class LinkedReply(TypedDict):
    """The reply to a `query` with `link`: its rows are in the file."""

    columns: list[str]
    link: LinkReply
    truncated: NotRequired[bool]
    cost: NotRequired[CostReply | None]
    meta: Meta


class BatchReply(TypedDict):
    """The reply to `statements`: a result for each."""

    results: list[ResultReply]
    meta: Meta


class Executed(Protocol):
    """A statement's result; the rows are as `rows_out` makes them."""

    @property
    def columns(self) -> Sequence[str]: ...
    @property
    def rows(self) -> list[Any]: ...
    @property
    def rows_affected(self) -> int: ...
    @property
    def last_insert_rowid(self) -> int | None: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def page(self) -> "Ended | None": ...
    @property
    def link(self) -> Any: ...


class Ended(Protocol):
    """The end of a page."""

    @property
    def next(self) -> str | None: ...
    @property
    def state(self) -> str: ...


class ReplyForm(Enum):
    """The form of a reply: objects, which Lambda's runtime encodes, or JSON that is encoded here.

    IN_TEXT is encoded, and then a text within JSON, which makes it longer.
    """

    OBJECTS = "objects"
    ENCODED = "encoded"
    IN_TEXT = "in text"


def rows_out(
    columns: Sequence[str], rows: list[Row], *, as_objects: bool, form: ReplyForm
) -> tuple[list[Any], int]:
    """Rows as callers read them, and their bytes on the wire; see `values.rows_out`.

    Encoded they are one chunk of JSON, without the brackets of a list, so that what a row was made
    of can go: that is six times as much.
    """
    in_text = form is ReplyForm.IN_TEXT
    sent, encoded, size_bytes = values.rows_out(rows, in_text=in_text)
    if as_objects:
        names = names_apart(columns)
        encoded_names = to_json(names)
        names_bytes = len(encoded_names) + 3 * len(names)
        names_bytes += escapes_bytes(encoded_names) if in_text else 0
        size_bytes += len(rows) * names_bytes
        sent = [dict(zip(names, row, strict=True)) for row in sent]
        encoded = b"" if form is ReplyForm.OBJECTS else to_json(sent)
    return (sent if form is ReplyForm.OBJECTS else [encoded[1:-1]]), size_bytes


def result_out(result: Executed, *, as_objects: bool) -> ResultReply:
    """One statement's result, as callers read it."""
    reply: ResultReply = {
        "columns": names_apart(result.columns) if as_objects else list(result.columns),
        "rows": result.rows,
        "rows_affected": result.rows_affected,
        "last_insert_rowid": result.last_insert_rowid,
    }
    if result.truncated:
        reply["truncated"] = True
    if result.page is not None:
        reply["page"] = {"next": result.page.next, "state": result.page.state}
    return reply


def linked_out(result: Executed) -> dict[str, Any]:
    """One statement's result whose rows are in a file, but for its `meta`: see LinkedReply."""
    reply = {"columns": list(result.columns), "link": result.link}
    return reply | {"truncated": True} if result.truncated else reply


def encoded(reply: Mapping[str, Any]) -> bytes:
    """A reply as JSON, the rows of whose results are encoded chunks: joined once."""
    return b"".join(_parts(reply))


def with_part(kept: str, name: str, part: Any) -> bytes:
    """A kept reply, which is JSON already, with one part more at its end."""
    return b"".join((kept.encode()[:-1], b",", to_json({name: part})[1:]))


def _parts(reply: Mapping[str, Any]) -> Iterator[bytes]:
    separator = b"{"
    for name, part in reply.items():
        yield separator + to_json(name) + b":"
        separator = b","
        if name == "rows":
            yield from _listed([chunk] for chunk in part)
        elif name == "results":
            yield from _listed(map(_parts, part))
        else:
            yield to_json(part)
    yield b"}"


def _listed(items: Iterable[Iterable[bytes]]) -> Iterator[bytes]:
    separator = b"["
    for item in items:
        yield separator
        yield from item
        separator = b","
    yield b"[]" if separator == b"[" else b"]"
