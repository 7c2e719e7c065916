"""The result of a statement."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlatch.failures import UnexpectedAnswer
from sqlatch.kernel.values import Row, Value, names_apart, rows_in


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The end of a page: what to ask for the `next` one, None behind the last; `state` is the same
    in all pages of one state of the database."""

    next: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Result:
    """Columns and rows of one statement. `meta` is of the whole request, so of a batch the same.

    `page` is the end of a page, where one was asked for.
    `rows_affected` counts direct changes; `last_insert_rowid` is None but after an INSERT.
    """

    columns: tuple[str, ...]
    rows: list[Row]
    rows_affected: int
    last_insert_rowid: int | None
    truncated: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)
    page: PageEnd | None = None

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def position(self) -> str | None:
        """The position of the state that was read or made; None where databases are files."""
        position: str | None = self.meta.get("position")
        return position

    def dicts(self) -> list[dict[str, Value]]:
        """The rows by the names of their columns: of two named `id` the second is `id:1`."""
        names = names_apart(self.columns)
        return [dict(zip(names, row, strict=True)) for row in self.rows]

    def value(self) -> Value:
        """The first value of the first row, None if there is no row."""
        return self.rows[0][0] if self.rows else None


@dataclass(frozen=True, slots=True)
class Commit:
    """A state that can be read: its position, when it was made, the bytes that changed.

    None: the state is kept, but not the commits that led to it.
    """

    position: str
    at: datetime
    bytes: int | None


def commits_of(reply: Mapping[str, Any]) -> list[Commit]:
    """Return the commits in a reply; UnexpectedAnswer if it is none."""
    try:
        return [
            Commit(str(one["position"]), datetime.fromisoformat(one["at"]), one["bytes"])
            for one in reply["commits"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"the answer is no history: {error!r}") from error


def results_of(reply: Mapping[str, Any]) -> list[Result]:
    """Return the results in a reply; UnexpectedAnswer if the reply is not one of the service."""
    try:
        replies = reply.get("results", [reply])
        return [_result(one, reply["meta"]) for one in replies]
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(f"the answer is not the reply to a query: {error!r}") from error


def page_of(reply: Mapping[str, Any]) -> Result:
    """Return the page in a reply; UnexpectedAnswer if it is none."""
    (result,) = results_of(reply)
    if result.page is None:
        raise UnexpectedAnswer("a page was asked for, and the answer is none")
    return result


def _result(reply: Mapping[str, Any], meta: Mapping[str, Any]) -> Result:
    page = reply.get("page")
    return Result(
        tuple(reply["columns"]),
        rows_in(reply["rows"]),
        reply["rows_affected"],
        reply["last_insert_rowid"],
        reply.get("truncated", False),
        meta,
        page and PageEnd(page["next"], page["state"]),
    )
