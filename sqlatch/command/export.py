"""`sqlatch export`: a table or the rows of a query into a file, of any size."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.exporting import Export, Journal
from sqlatch.command.formats import CannotWrite, Csv, Form, JsonLines, is_parquet_there
from sqlatch.command.linked import LINK_FORMS, write_linked
from sqlatch.command.output import printable
from sqlatch.command.query import values_of
from sqlatch.command.reading import BINARY, ByKey, InPages, NotAKey, Reading
from sqlatch.command.replica import or_a_replica
from sqlatch.command.rows import rows_of
from sqlatch.command.schema import quoted, table_named, tables
from sqlatch.errors import DatabaseChanged
from sqlatch.kernel.hints import did_you_mean

STDOUT = "-"
NAME = re.compile(r"\w+")
"""No query is a single word."""

FORMS = ("csv", "jsonl", "parquet")
ALL_FORMS = tuple(dict.fromkeys((*FORMS, *LINK_FORMS)))

Told = Callable[[int, int], None]
"""Is told how many rows are written, and how many bytes."""


@click.command()
@or_a_replica
@with_address
@click.option("-o", "--output", "to", metavar="FILE", default=STDOUT, help="`-`, if not given.")
@click.option("--format", "form", type=click.Choice(ALL_FORMS), help="Else by the suffix, or csv.")
@click.option("-p", "--parameters", metavar="JSON", help="Of a query, as for `sqlatch query`.")
@click.option(
    "--key", "keys", multiple=True, metavar="COLUMN",
    help="Read a query in parts by these columns, which tell its rows apart; repeatable.",
)  # fmt: skip
@click.option("--null", metavar="TEXT", help="The cell of a CSV that is NULL; an empty one else.")
@click.option("--resume", is_flag=True, help="Go on with an export to the same file that stopped.")
@click.option("--link", is_flag=True, help="Have the service write the file: csv, jsonl, or .gz.")
@click.argument("what", metavar="TABLE|QUERY|NAME")
def export(
    *,
    address: DatabaseAddress,
    to: str,
    form: str | None,
    parameters: str | None,
    keys: tuple[str, ...],
    null: str | None,
    resume: bool,
    link: bool,
    what: str,
) -> None:
    """Write all rows of a table, or of a query, to a file: csv, jsonl or parquet.

    They are read in pages, and no lock or lease is held between them. A table is read by its key:
    each page is of one moment, and what was committed between two pages is said at the end. A query
    is read at one state of the database, or refused if that changes.

    With --link the service reads all of it at one state, up to 1 GB, and the file is fetched by a
    link that ends.

    With --litestream DIR a whole database is written, with its history, and WHAT is its name.
    """
    form = form or _form_of(to, LINK_FORMS if link else FORMS)
    if to == STDOUT and (resume or link or form == "parquet"):
        raise click.UsageError("this needs a file: give -o FILE")
    if link and (keys or null is not None or form not in LINK_FORMS):
        raise click.UsageError("--link is for csv and jsonl, without --key and --null")
    values = None if parameters is None else values_of(parameters)
    if link:
        rows = _by_link(address, what, values, form, Path(to), resume=resume)
        click.echo(printable(f"{rows:,} rows in {to}"), err=True)
        return
    with address.open(writes=False) as client, _shown() as told, _failures(to):
        reading = _reading(client, what, values, keys)
        said = [address.url, what, form, parameters, list(keys), null]
        one = Export(client, reading, _writer(form, null), told)
        if to == STDOUT:
            one.write(sys.stdout.buffer)
        else:
            one.write_file(Path(to), Journal.of(Path(to), said, resume=resume))
    _say(one, to)


@contextmanager
def _failures(to: str) -> Iterator[None]:
    """Say why an export ends in the words of the command line."""
    try:
        yield
    except DatabaseChanged as error:
        raise Failure(f"{error.code}: {error.message}; or give --key", Exit.TRY_AGAIN) from error
    except OSError as error:
        if to == STDOUT:
            raise
        raise Failure(
            f"{to} could not be written: {error.strerror}; mend that, and go on with --resume",
            Exit.NOT_SHOWN,
        ) from error
    except (CannotWrite, NotAKey) as error:
        raise Failure(f"{error}", Exit.BAD_DATA) from error


def _by_link(
    address: DatabaseAddress, what: str, values: Any, form: str, file: Path, *, resume: bool
) -> int:
    """Have the service write the file, and fetch it; return the number of its rows."""
    with address.open(writes=False) as client:
        sql = _reading(client, what, values, ()).whole
        journal = Journal.of(file, [address.url, sql, form, values, "link"], resume=resume)
        return write_linked(client, sql, values, form=form, file=file, journal=journal)


def _form_of(to: str, forms: Sequence[str]) -> str:
    if to == STDOUT:
        return "csv"
    for form in forms:
        if to.lower().endswith(f".{form}"):
            return form
    listed = ", ".join(f".{form}" for form in forms)
    raise click.UsageError(f"{to} ends in none of {listed}: give --format")


def _writer(form: str, null: str | None) -> Form:
    if null is not None and form != "csv":
        raise click.UsageError("--null is for csv")
    if form == "csv":
        return Csv(null)
    if form == "jsonl":
        return JsonLines()
    if form not in FORMS:
        raise click.UsageError(f"{form} is for --link")
    if not is_parquet_there():
        raise click.UsageError("parquet needs pyarrow: pip install 'sqlatch[cli,parquet]'")
    from sqlatch.command.parquet_out import Parquet

    return Parquet()


def _reading(client: Client, what: str, values: Any, keys: tuple[str, ...]) -> Reading:
    """Return how to read a table, by its key if it has one, or the rows of a query."""
    table = None if values is not None else table_named(client, what)
    if table is None and NAME.fullmatch(what):
        hint = did_you_mean(what, [one.name for one in tables(client)])
        raise Failure(f"there is no table {what!r}{hint}", Exit.REFUSED)
    if table is None or table.kind == "view":
        sql = what if table is None else f"SELECT * FROM {quoted(table.name)}"  # noqa: S608 (quoted)
        if keys:
            named = tuple(f"{quoted(key)}{BINARY}" for key in keys)
            return ByKey(f"(\n{sql}\n)", named, ("*",), values)
        return InPages(sql, values)
    if keys:
        raise click.UsageError(f"{what} is a table, which is read by its own key: leave out --key")
    columns = tuple(quoted(column.name) for column in table.stored)
    rows = rows_of(table)
    if not rows.keys:
        return InPages(f"SELECT {', '.join(columns)} FROM {rows.table}", None)  # noqa: S608 (quoted)
    kinds = tuple(column.declared for column in table.stored)
    return ByKey(rows.table, rows.keys, columns, kinds=kinds, is_unique=True)


def _say(one: Export, to: str) -> None:
    where = "" if to == STDOUT else f" in {to}"
    click.echo(printable(f"{one.rows:,} rows{where}"), err=True)
    if one.states > 1:
        click.echo(
            "the database was changed meanwhile: each page of rows is of one moment, and the rows"
            f" are of {one.states:,} states",
            err=True,
        )


@contextmanager
def _shown() -> Iterator[Told]:
    console = Console(file=sys.stderr)
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("asking")

        def told(rows: int, size_bytes: int) -> None:
            said = f"{rows:,} rows, {size_bytes / 1e6:,.1f} MB"
            progress.update(task, description=said, completed=rows)

        yield told
