"""`sqlatch dump`: a database as the SQL that makes it again."""

import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper

import click

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.fulltext import Content, configuration, content_of, is_full_text
from sqlatch.command.rows import literal, rows_of
from sqlatch.command.schema import (
    Definition,
    Table,
    definitions,
    folded,
    parents,
    parents_first,
    quoted,
    tables,
)  # fmt: skip

SETTINGS = ("user_version", "application_id")
ENCODING = "UTF-8"
DEFERRED = "PRAGMA defer_foreign_keys = ON;\n"
"""Holds to the end of the transaction: tables may refer to each other in a circle."""

_HAS = "SELECT 1 FROM sqlite_schema WHERE name = ?"
_ENDS = (";", "\n;", "*/;", "\n*/;")


@click.command()
@with_address
@click.option("--table", "names", multiple=True, metavar="NAME", help="Only this one; repeatable.")
@click.option("--except", "left_out", multiple=True, metavar="NAME", help="Not this one.")
@click.option("--schema-only", is_flag=True, help="No rows.")
@click.option("--bare", is_flag=True, help="Without BEGIN and COMMIT, for `sqlatch query -`.")
def dump(
    *, address: DatabaseAddress, names: tuple[str, ...], left_out: tuple[str, ...],
    schema_only: bool, bare: bool,
) -> None:  # fmt: skip
    """Write the SQL that makes the database again.

    Rows are fetched in pages. Each is of one moment, but all of them are not: somebody who writes
    meanwhile may be seen in some and not in others.
    """
    with address.open(writes=False) as client:
        made = definitions(client)
        chosen = _chosen(tables(client), names, left_out)
        contents = {
            folded(one.name): content_of(one)
            for one in made
            if any(one.name == table.name and is_full_text(table) for table in chosen)
        }
        if not schema_only:
            _check_contents(chosen, contents)
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8", newline="\n")
        if not bare:
            sys.stdout.write(_begin(client))
        parts = _schema(made, chosen) if schema_only else _all(client, made, chosen, contents)
        for part in parts:
            sys.stdout.write(part)
        if not names:
            for name in SETTINGS:
                value = client.query(f"PRAGMA {name}").value()
                sys.stdout.write(f"PRAGMA {name} = {literal(value)};\n" if value else "")
        sys.stdout.write("" if bare else "COMMIT;\n")


def _chosen(
    found: Sequence[Table], names: Sequence[str], left_out: Sequence[str]
) -> Sequence[Table]:
    known = {folded(table.name) for table in found}
    for name in (*names, *left_out):
        if folded(name) not in known:
            raise click.UsageError(f"there is no table {name!r}")
    wanted, unwanted = set(map(folded, names)), set(map(folded, left_out))
    return [
        table
        for table in found
        if (not wanted or folded(table.name) in wanted) and folded(table.name) not in unwanted
    ]


def _check_contents(chosen: Sequence[Table], contents: dict[str, Content]) -> None:
    for table in chosen:
        if contents.get(folded(table.name)) is Content.NONE:
            raise Failure(
                f"the full-text index {table.name!r} keeps no texts, so no SQL makes it again:"
                f" leave it out with --except {table.name!r} and fill it anew from its source",
                Exit.REFUSED,
            )


def _begin(client: Client) -> str:
    encoding = client.query("PRAGMA encoding").value()
    said = "" if encoding == ENCODING else f"PRAGMA encoding = {literal(encoding)};\n"
    return f"{said}PRAGMA foreign_keys = OFF;\nBEGIN;\n"


def _schema(made: Sequence[Definition], chosen: Sequence[Table]) -> Iterator[str]:
    for kinds in (("table",), ("view", "index", "trigger")):
        yield from _defined(made, chosen, kinds)


def _all(
    client: Client,
    made: Sequence[Definition],
    chosen: Sequence[Table],
    contents: dict[str, Content],
) -> Iterator[str]:
    """Tables, their rows, and what hangs on them. A trigger must not see rows come in.

    Unique indexes come before the rows: without the one that its parent key stands on, a foreign
    key is an error.
    """
    unique = [one for one in made if one.is_unique]
    others = [one for one in made if not one.is_unique]
    yield from _defined(made, chosen, ("table",))
    yield from _defined(unique, chosen, ("index",))
    references = parents(client)
    if references:
        yield DEFERRED
    for table in parents_first(references, chosen):
        if table.kind in ("table", "virtual") and contents.get(folded(table.name)) not in (
            Content.OTHER, Content.NONE,
        ):  # fmt: skip
            rows = rows_of(table)
            yield from rows.inserts(rows.read(client))
    yield from _sequences(client, chosen)
    yield from _defined(others, chosen, ("view", "index"))
    for table in chosen:
        yield from _full_text(client, table, contents.get(folded(table.name)))
    yield from _defined(made, chosen, ("trigger",))
    if client.query(_HAS, ["sqlite_stat1"]).rows:
        yield "ANALYZE;\n"


def _defined(
    made: Iterable[Definition], chosen: Sequence[Table], kinds: Sequence[str]
) -> Iterator[str]:
    # The table that a trigger belongs to stands there as its maker wrote it.
    names = {folded(table.name) for table in chosen if table.kind != "shadow"}
    for one in made:
        if one.kind in kinds and folded(one.table) in names:
            # A comment at the end would swallow the semicolon.
            end = next(end for end in _ENDS if sqlite3.complete_statement(one.sql + end))
            yield f"{one.sql}{end}\n"


def _full_text(client: Client, table: Table, content: Content | None) -> Iterator[str]:
    """Yield the settings of a full-text index, and what rebuilds it over texts kept elsewhere."""
    if content is None:
        return
    name = quoted(table.name)
    for key, value in configuration(client, table):
        yield f"INSERT INTO {name} ({name}, rank) VALUES ({literal(key)}, {literal(value)});\n"  # noqa: S608 (quoted)
    if content is Content.OTHER:
        yield f"INSERT INTO {name} ({name}) VALUES ('rebuild');\n"  # noqa: S608 (quoted)


def _sequences(client: Client, chosen: Sequence[Table]) -> Iterator[str]:
    """Yield the state of AUTOINCREMENT, so that an id that was used is not used again."""
    if not client.query(_HAS, ["sqlite_sequence"]).rows:
        return
    names = {table.name for table in chosen}
    for name, last in client.query("SELECT name, seq FROM sqlite_sequence ORDER BY name").rows:
        if name in names:
            # SQLite made its row when the rows of the table came in, but for an empty table.
            of, values = literal(name), f"{literal(name)}, {literal(last)}"
            yield f"DELETE FROM sqlite_sequence WHERE name = {of};\n"  # noqa: S608
            yield f"INSERT INTO sqlite_sequence VALUES ({values});\n"  # noqa: S608
