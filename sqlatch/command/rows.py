"""The rows of a table, page by page, and the SQL that makes them again."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlatch.client import Client
from sqlatch.command.fulltext import is_full_text
from sqlatch.command.schema import Table, folded, quoted
from sqlatch.errors import ResultTooLarge
from sqlatch.kernel.values import Row, Value

PAGE_ROWS_FIRST = 5_000

INSERT_ROWS_MAX = 500
INSERT_CHARACTERS_MAX = 200_000
"""Of one INSERT: the service takes up to 1,000,000 in a statement."""

DIGITS_PLAIN_MAX = 15
EXPONENT_PLAIN_MAX = 22
"""A decimal of at most these many digits and this power of ten is one exact division or product of
doubles, so every SQLite reads it right. Before 3.47 some others are read as their neighbour."""

SHIFT_MAX = 62


@dataclass(frozen=True, slots=True)
class Rows:
    """A table's rows as SQL that reads them and makes them again. All names are quoted.

    `keys` tell rows apart and put them in order; without any, rows come in the order of the table
    itself. `columns` are those that an INSERT names.
    """

    table: str
    keys: tuple[str, ...]
    columns: tuple[str, ...]

    def read(self, client: Client) -> Iterator[Row]:
        """The rows in the order of their key."""
        for page in self.pages(client):
            for row in page:
                yield row[len(self.keys) :]

    def pages(self, client: Client, *, after: Row = (), last: Row = ()) -> Iterator[list[Row]]:
        """The rows in pages, each behind its key: of those behind `after`, up to `last`."""
        page_rows = PAGE_ROWS_FIRST
        passed = 0
        while True:
            try:
                rows = client.query(*self._page(after, last, passed, page_rows)).rows
            except ResultTooLarge:
                if page_rows == 1:
                    raise
                page_rows = max(1, page_rows // 4)
                continue
            if rows:
                yield rows
            if len(rows) < page_rows:
                return
            after = rows[-1][: len(self.keys)]
            passed += len(rows)

    def inserts(self, rows: Iterable[Row], verb: str = "INSERT") -> Iterator[str]:
        """The statements that make rows again, a line for each row."""
        head = f"{verb} INTO {self.table} ({', '.join(self.columns)}) VALUES"
        lines: list[str] = []
        characters = 0
        for row in rows:
            line = f"({', '.join(map(literal, row))})"
            if lines and (
                len(lines) == INSERT_ROWS_MAX or characters + len(line) > INSERT_CHARACTERS_MAX
            ):
                yield f"{head}\n" + ",\n".join(lines) + ";\n"
                lines, characters = [], 0
            lines.append(line)
            characters += len(line)
        if lines:
            yield f"{head}\n" + ",\n".join(lines) + ";\n"

    def _page(self, after: Row, last: Row, passed: int, page_rows: int) -> tuple[str, list[Value]]:
        selected = ", ".join((*self.keys, *self.columns))
        if not self.keys:
            # An index might hold all the columns, in another order.
            return (
                f"SELECT {selected} FROM {self.table} NOT INDEXED LIMIT ? OFFSET ?",  # noqa: S608
                [page_rows, passed],
            )
        key, marks = ", ".join(self.keys), ", ".join("?" * len(self.keys))
        ends = [f"({key}) {sign} ({marks})" for sign, end in ((">", after), ("<=", last)) if end]
        where = f"WHERE {' AND '.join(ends)}" if ends else ""
        sql = f"SELECT {selected} FROM {self.table} {where} ORDER BY {key} LIMIT ?"  # noqa: S608
        return sql, [*after, *last, page_rows]


def rows_of(table: Table) -> Rows:
    """Return how to read a table so that its rows can be made again, rowids included."""
    name = quoted(table.name)
    columns = tuple(quoted(column.name) for column in table.stored)
    if not table.has_rowid:
        keyed = sorted((column.key, column.name) for column in table.columns if column.key)
        # A key that ignores case may order rows otherwise than its column: BINARY tells all apart.
        return Rows(name, tuple(f"{quoted(key)} COLLATE BINARY" for _, key in keyed), columns)
    if table.rowid_column is not None:
        return Rows(name, (quoted(table.rowid_column),), columns)
    taken = {folded(column.name) for column in table.columns}
    free = next((one for one in ("rowid", "_rowid_", "oid") if one not in taken), None)
    if free is None:
        return Rows(name, (), columns)
    if table.kind == "virtual":
        columns = (*_virtual_rowid(table), *columns, *_languages(table))
    else:
        columns = (free, *columns)
    return Rows(name, (free,), columns)


def literal(value: Value) -> str:
    """A value as SQL says it, the same to every SQLite."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        # SQL ends at a NUL, and SQLite's shell drops a carriage return before a line's end.
        if "\0" in value or "\r" in value:
            return f"CAST(x'{value.encode().hex()}' AS TEXT)"
        return "'" + value.replace("'", "''") + "'"
    return _real(value) if isinstance(value, float) else repr(value)


def _real(value: float) -> str:
    if math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    text = repr(value)
    digits, _, exponent = text.partition("e")
    whole, _, fraction = digits.lstrip("-").partition(".")
    is_short = len((whole + fraction).strip("0")) <= DIGITS_PLAIN_MAX
    if is_short and abs(int(exponent or 0)) + len(fraction) <= EXPONENT_PLAIN_MAX:
        return text
    return _exact(value)


def _exact(value: float) -> str:
    """An integer and powers of two that make the real, exactly."""
    integer, divisor = value.as_integer_ratio()
    shift = divisor.bit_length() - 1
    operator = "/"
    if not shift:
        zeros = (integer & -integer).bit_length() - 1
        integer, shift, operator = integer >> zeros, zeros, "*"
    text = f"{integer}.0"
    while shift:
        step = min(shift, SHIFT_MAX)
        text += f"{operator}(1<<{step})"
        shift -= step
    return text


def _virtual_rowid(table: Table) -> Sequence[str]:
    """Return the rowid of a virtual table, where it has one that is not a column."""
    is_geopoly = bool(table.columns) and folded(table.columns[0].name) == "_shape"
    return ("rowid",) if is_full_text(table) or is_geopoly else ()


def _languages(table: Table) -> Sequence[str]:
    """The column of the language of each row, which FTS3 and FTS4 may have."""
    own = {folded(table.name), "docid", "rank"}
    return tuple(quoted(name) for name in table.hidden if folded(name) not in own)
