"""The types of execution: statements in, results out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlatch.kernel.values import Parameters, Row
from storage.engine import NEWEST, Freshness, Position
from storage.version import Version


@dataclass(frozen=True, slots=True)
class Statement:
    """One SQL text and its values; with `parameter_sets` it runs once for each set."""

    sql: str
    parameters: Parameters | None = None
    parameter_sets: Sequence[Parameters] | None = None


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The end of a page: what to ask for the `next` one, None if there is none, and a text that is
    the same in all pages of one state."""

    next: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one statement: the number of its rows, and what `Encoder.rows` made of them.

    `rows_affected` counts direct changes only, as sqlite3_changes(). `last_insert_rowid` is None
    but of an INSERT that inserted a row. `link` says how to get the file that the rows are in, if
    they were written to one.
    """

    columns: tuple[str, ...]
    rows: list[Any]
    rows_count: int
    rows_affected: int
    last_insert_rowid: int | None
    truncated: bool = False
    page: PageEnd | None = None
    rows_bytes: int = field(default=0, compare=False)
    link: Any = None


class Kind(Enum):
    """The kind of a statement, as SQLite says."""

    READ = "read"
    WRITE = "write"
    VACUUM = "vacuum"


EncodeRows = Callable[[tuple[str, ...], list[Row]], tuple[list[Any], int]]
"""Turns columns and rows into what the caller will send, row by row or several in one, and says how
many bytes that is."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """The form in which a request's results leave.

    `rows` is called while rows are fetched, so that the values of a row are freed at once: they
    take six times as much memory. `reply` makes the text that a repeat of the request gets back.
    """

    rows: EncodeRows
    reply: Callable[[list[Result]], str]


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An idempotency key; without a `fingerprint` only the time is kept with it, and no reply."""

    text: str
    fingerprint: bytes | None


class GrantNeeded(Exception):
    """A statement that writes, where nothing may be written.

    SQLite says so as it prepares it, or at the last moment, of one that it has called read-only.
    """

    def __init__(self, message: str, kind: Kind = Kind.WRITE) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one request: rows of a statement, bytes of all rows, seconds.

    With `truncate_rows` a statement stops there and says so. One that `is_page` does at every other
    limit too, and begins behind `rows_passed`. Of the bytes, `bytes_spent` are those
    of rows before. `all_rows_with` is the next step in the error's message.
    """

    rows_max: int
    bytes_max: int
    timeout_s: float
    truncate_rows: int | None = None
    bytes_spent: int = 0
    all_rows_with: str = "ask for fewer rows with LIMIT"
    is_page: bool = False
    rows_passed: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """The statements of one request, all or nothing, with their limits.

    Of several jobs in one transaction, those of a `group` run in order or not at all. Reads see a
    state that has the `freshness`, writes the newest.
    """

    statements: tuple[Statement, ...]
    limits: Limits
    encoder: Encoder
    key: IdempotencyKey | None = None
    group: str | None = None
    freshness: Freshness = NEWEST


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of a request, or the kept reply of the first one that bore the same key.

    `wrote` says whether it was run under a grant; a kept reply was not run again. `position` is
    that of the state which was read, where it is not the database's own. `version` is that of a
    read which was asked for it, its text empty where the rows do not follow from the state.
    """

    results: list[Result]
    wrote: bool
    replayed: str | None = None
    position: Position | None = None
    version: Version | None = None
