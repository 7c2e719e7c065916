"""`sqlatch dump`: a database as the SQL that makes it again."""

import sys
from collections.abc import Iterator, Sequence
from io import TextIOWrapper

import click

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.ddl import (
    SETTINGS,
    check_contents,
    contents_of,
    defined,
    full_text,
    has_rows,
    has_statistics,
    sequences,
)
from sqlatch.command.fulltext import Content
from sqlatch.command.rows import literal, rows_of
from sqlatch.command.schema import (
    Definition,
    Table,
    definitions,
    folded,
    parents,
    parents_first,
    tables,
)  # fmt: skip
from sqlatch.kernel.hints import did_you_mean

ENCODING = "UTF-8"
DEFERRED = "PRAGMA defer_foreign_keys = ON;\n"
"""Holds to the end of the transaction: tables may refer to each other in a circle."""


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
        contents = contents_of(made, chosen)
        if not schema_only:
            check_contents(
                chosen,
                contents,
                "leave it out with --except {name!r} and fill it anew from its source",
            )
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
            hint = did_you_mean(name, [table.name for table in found])
            raise click.UsageError(f"there is no table {name!r}{hint}")
    wanted, unwanted = set(map(folded, names)), set(map(folded, left_out))
    return [
        table
        for table in found
        if (not wanted or folded(table.name) in wanted) and folded(table.name) not in unwanted
    ]


def _begin(client: Client) -> str:
    encoding = client.query("PRAGMA encoding").value()
    said = "" if encoding == ENCODING else f"PRAGMA encoding = {literal(encoding)};\n"
    return f"{said}PRAGMA foreign_keys = OFF;\nBEGIN;\n"


def _schema(made: Sequence[Definition], chosen: Sequence[Table]) -> Iterator[str]:
    for kinds in (("table",), ("view", "index", "trigger")):
        yield from defined(made, chosen, kinds)


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
    yield from defined(made, chosen, ("table",))
    yield from defined(unique, chosen, ("index",))
    references = parents(client)
    if references:
        yield DEFERRED
    for table in parents_first(references, chosen):
        if has_rows(table, contents):
            rows = rows_of(table)
            yield from rows.inserts(rows.read(client))
    yield from sequences(client, chosen)
    yield from defined(others, chosen, ("view", "index"))
    for table in chosen:
        yield from full_text(client, table, contents.get(folded(table.name)))
    yield from defined(made, chosen, ("trigger",))
    if has_statistics(client):
        yield "ANALYZE;\n"
