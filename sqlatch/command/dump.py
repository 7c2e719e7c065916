"""`sqlatch dump`: a database as the SQL that makes it again."""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

import click

from sqlatch.client import Client
from sqlatch.command.place import Place, at_place
from sqlatch.command.schema import Definition, Table, definitions, quoted, tables
from sqlatch.errors import ResultTooLarge
from sqlatch.values import Row, Value

PAGE_ROWS_FIRST = 5_000

_HAS_SEQUENCES = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'"

BEGIN = "PRAGMA foreign_keys = OFF;\nBEGIN;\n"
END = "COMMIT;\n"
"""Around the statements, which the service has in a transaction anyway."""


@click.command()
@at_place
@click.option("--table", "names", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--schema-only", is_flag=True, help="No rows.")
@click.option("--bare", is_flag=True, help="Without BEGIN and COMMIT, for `sqlatch query -`.")
def dump(*, place: Place, names: tuple[str, ...], schema_only: bool, bare: bool) -> None:
    """Write the SQL that makes the database again.

    Rows are fetched in pages. Each is of one moment, but all of them are not: somebody who writes
    meanwhile may be seen in some and not in others.
    """
    with place.open(writes=False) as client:
        made = definitions(client)
        chosen = [table for table in tables(client) if not names or table.name in names]
        unknown = set(names) - {table.name for table in chosen}
        if unknown:
            raise click.UsageError(f"there is no table {min(unknown)!r}")
        sys.stdout.write("" if bare else BEGIN)
        write(client, made, chosen, sys.stdout, schema_only=schema_only)
        sys.stdout.write("" if bare else END)


def write(
    client: Client,
    made: Sequence[Definition],
    chosen: Sequence[Table],
    stream: TextIO,
    *,
    schema_only: bool,
) -> None:
    """Tables, then their rows, then what hangs on them: a trigger must not see rows come in."""
    names = {table.name for table in chosen if table.kind != "shadow"}
    for one in made:
        if one.kind == "table" and one.name in names:
            stream.write(f"{one.sql};\n")
    for table in chosen:
        if not schema_only and table.kind in ("table", "virtual"):
            for row in rows_of(client, table):
                stream.write(insert(table, row))
    if not schema_only:
        _write_sequences(client, chosen, stream)
    for one in made:
        if one.kind != "table" and one.table in names:
            stream.write(f"{one.sql};\n")


def rows_of(client: Client, table: Table) -> Iterator[Row]:
    """The rows of a table in the order of its key, page by page."""
    keys = _keys(table)
    page_rows = PAGE_ROWS_FIRST
    after: Row | None = None
    while True:
        try:
            rows = client.query(*_page(table, keys, after, page_rows)).rows
        except ResultTooLarge:
            if page_rows == 1:
                raise
            page_rows = max(1, page_rows // 4)
            continue
        for row in rows:
            yield row[len(keys) :]
        if len(rows) < page_rows:
            return
        after = rows[-1][: len(keys)]


def insert(table: Table, row: Row) -> str:
    """The statement that makes a row again."""
    names = ", ".join(quoted(column.name) for column in table.stored)
    values = ", ".join(map(literal, row))
    return f"INSERT INTO {quoted(table.name)} ({names}) VALUES ({values});\n"  # noqa: S608 (quoted)


def _write_sequences(client: Client, chosen: Sequence[Table], stream: TextIO) -> None:
    """Where AUTOINCREMENT is: an id that was given is not given again."""
    if not client.query(_HAS_SEQUENCES).rows:
        return
    names = {table.name for table in chosen}
    for name, last in client.query("SELECT name, seq FROM sqlite_sequence ORDER BY name").rows:
        if name in names:
            # SQLite made its row when the rows of the table came in, but for an empty table.
            of, values = literal(name), f"{literal(name)}, {literal(last)}"
            stream.write(f"DELETE FROM sqlite_sequence WHERE name = {of};\n")  # noqa: S608
            stream.write(f"INSERT INTO sqlite_sequence VALUES ({values});\n")  # noqa: S608


def literal(value: Value) -> str:
    """A value as SQL says it."""
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"x'{value.hex()}'"
    if isinstance(value, str):
        # SQL ends at a NUL, wherever it stands.
        text = "'" + value.replace("'", "''") + "'"
        return f"CAST(x'{value.encode().hex()}' AS TEXT)" if "\0" in value else text
    if isinstance(value, float) and math.isinf(value):
        return "9e999" if value > 0 else "-9e999"
    return repr(value)


def _keys(table: Table) -> list[str]:
    """What tells rows apart and puts them in order: the rowid, or the primary key."""
    if not table.has_rowid:
        keyed = sorted((column.key, column.name) for column in table.columns if column.key)
        return [quoted(name) for _place, name in keyed]
    names = {column.name.lower() for column in table.columns}
    free = [name for name in ("rowid", "_rowid_", "oid") if name not in names]
    if not free:
        raise click.UsageError(f"table {table.name!r} has columns named rowid, _rowid_ and oid")
    return [free[0]]


def _page(
    table: Table, keys: Sequence[str], after: Row | None, page_rows: int
) -> tuple[str, list[Value]]:
    key = ", ".join(keys)
    stored = ", ".join(quoted(column.name) for column in table.stored)
    where = "" if after is None else f"WHERE ({key}) > ({', '.join('?' * len(keys))})"
    sql = f"SELECT {key}, {stored} FROM {quoted(table.name)} {where} ORDER BY {key} LIMIT ?"  # noqa: S608
    return sql, [*(after or ()), page_rows]
