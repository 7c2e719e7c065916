"""Rows of any number from a service: page by page at one state, or in parts by a key."""

from dataclasses import dataclass
from typing import Any, Protocol

from sqlatch.client import FIRST_PAGE, Client
from sqlatch.kernel.values import Row, Value, special_in, value_out
from sqlatch.result import PageEnd, Result

BINARY = " COLLATE BINARY"
"""Tells all texts apart, whatever the column ignores."""

Mark = Any
"""The beginning of the next part, as JSON; None behind the last."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows, with the names of their columns; where the `next` part begins, and the state of
    the database that they are of."""

    columns: tuple[str, ...]
    rows: list[Row]
    next: Mark
    state: str


class NotAKey(Exception):
    """The columns that rows were to be read by do not tell them apart."""


class Reading(Protocol):
    """A way to read rows part by part."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The declared types of the columns, if they are known."""

    @property
    def whole(self) -> str:
        """The statement that gives all rows at once, in the same order."""

    def part(self, client: Client, mark: Mark) -> Part:
        """Return the part that begins at a mark, the first one at None."""


@dataclass(frozen=True, slots=True)
class InPages:
    """A query in pages, all of one state of the database."""

    sql: str
    values: Any
    kinds: tuple[str, ...] = ()

    @property
    def whole(self) -> str:
        return self.sql

    def part(self, client: Client, mark: Mark) -> Part:
        page = client.page(self.sql, self.values, page=mark or FIRST_PAGE)
        end = _end(page)
        return Part(page.columns, page.rows, end.next, end.state)


@dataclass(frozen=True, slots=True)
class ByKey:
    """Rows in the order of their key, each part as many as fit into a reply.

    A key that is not `is_unique` by itself is seen to be: then a part begins with the last row of
    the one before. All names in `source`, `keys` and `columns` are quoted.
    """

    source: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]
    values: Any = None
    kinds: tuple[str, ...] = ()
    is_unique: bool = False

    @property
    def whole(self) -> str:
        columns, keys = ", ".join(self.columns), ", ".join(self.keys)
        return f"SELECT {columns} FROM {self.source} ORDER BY {keys}"  # noqa: S608 (quoted)

    def part(self, client: Client, mark: Mark) -> Part:
        last = None if mark is None else tuple(map(_value, mark))
        page, keys = self._page(client, last, ">" if self.is_unique else ">=")
        if _end(page).next is not None and keys == [last]:
            # The last row and the next one do not fit into one reply.
            page, keys = self._page(client, last, ">")
            self._check_alone(client, last)
        self._check([*([last] if last and keys[:1] != [last] else []), *keys])
        rows = page.rows[1:] if keys[:1] == [last] else page.rows
        width, end = len(self.keys), _end(page)
        return Part(
            page.columns[width:],
            [row[width:] for row in rows],
            [value_out(value) for value in keys[-1]] if end.next is not None else None,
            end.state,
        )

    def _page(self, client: Client, last: Row | None, sign: str) -> tuple[Result, list[Row]]:
        key = ", ".join(self.keys)
        where = "" if last is None else f"WHERE {self._compared(sign)}"
        selected = ", ".join((*self.keys, *self.columns))
        sql = f"SELECT {selected} FROM {self.source} {where} ORDER BY {key}"  # noqa: S608 (quoted)
        page = client.page(sql, self._values(last))
        return page, [row[: len(self.keys)] for row in page.rows]

    def _check_alone(self, client: Client, last: Row | None) -> None:
        sql = f"SELECT count(*) FROM {self.source} WHERE {self._compared('=')}"  # noqa: S608 (quoted)
        if client.query(sql, self._values(last)).value() not in (0, 1):
            raise self._is_no_key(last)

    def _check(self, found: list[Row]) -> None:
        """NotAKey if a row has no key, or two have the same one."""
        if self.is_unique:
            return
        before: Row | None = None
        for key in found:
            if None in key:
                raise NotAKey(
                    f"a row has no {self._named}, which is to tell it from others: {_shown(key)}"
                )
            if key == before:
                raise self._is_no_key(key)
            before = key

    def _is_no_key(self, key: Row | None) -> NotAKey:
        return NotAKey(
            f"two rows have the same {self._named}, {_shown(key)}: name more columns with --key"
        )

    @property
    def _named(self) -> str:
        return " and ".join(key.removesuffix(BINARY) for key in self.keys)

    def _compared(self, sign: str) -> str:
        is_named = isinstance(self.values, dict)
        marks = (f":after_{at}" if is_named else "?" for at in range(len(self.keys)))
        return f"({', '.join(self.keys)}) {sign} ({', '.join(marks)})"

    def _values(self, last: Row | None) -> Any:
        if isinstance(self.values, dict):
            return self.values | {f"after_{at}": value for at, value in enumerate(last or ())}
        return [*(self.values or ()), *(last or ())]


def _end(page: Result) -> PageEnd:
    assert page.page is not None
    return page.page


def _shown(key: Row | None) -> str:
    return ", ".join(map(repr, key or ()))


def _value(given: Any) -> Value:
    return special_in(given, "a key") if isinstance(given, dict) else given
