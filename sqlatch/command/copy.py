"""`sqlatch copy`: a database of one service into another one, checked row by row."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.copying import (
    PASSES_MAX,
    Differs,
    Pass,
    Schema,
    check_same,
    compare,
    finish,
    go_through,
    prepare,
    schema_of,
)
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.output import printable
from sqlatch.command.writing import MARK, Fenced, Requests, Unchecked, unfinished
from sqlatch.errors import Constraint, StatementError

TO_TOKEN = "SQLATCH_TO_TOKEN"
"""The token for the target, where it takes another one than the source."""

UTF_8 = "UTF-8"


@click.command()
@with_address
@click.option("--replace", is_flag=True, help="Make a database that is there already the same.")
@click.option("--check", is_flag=True, help="Write nothing, only compare.")
@click.argument("to", metavar="URL")
def copy(*, address: DatabaseAddress, replace: bool, check: bool, to: str) -> None:
    """Copy the database into that of another URL, and compare every row of the two.

    A copy that was stopped goes on when it is called again.
    """
    from_url, to_url = address.url.rstrip("/"), to.rstrip("/")
    if from_url == to_url:
        raise click.UsageError("the two URLs are the same")
    # A copy may always be called again, so an answer that was lost leaves nothing to look for.
    with (
        address.open(writes=False) as source,
        address.at(to, token=TO_TOKEN).open(writes=False) as target,
        shown_on_a_terminal() as shown,
    ):
        one = Copy(source, target, from_url, to_url, shown)
        done = one.compared() if check else one.made(replaces=replace)
    say_the_same(done, "in both")


def say_the_same(done: Pass, where: str) -> None:
    """Say that two databases are the same, and how many rows their tables have."""
    for table, rows in done.rows.items():
        click.echo(printable(f"{table}: {rows} rows"))
    click.echo(
        f"{len(done.rows)} tables, {sum(done.rows.values())} rows: schema and rows are the same"
        f" {printable(where)}"
    )


class Shown:
    """The progress of a copy on a terminal."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None, rows="")
        self._before = 0
        self._table = ""
        self._rows = 0

    def begin(self, what: str, total: int | None = None) -> None:
        """Begin to go through the tables."""
        self._before = self._rows = 0
        self._table = ""
        self._progress.reset(self._task, total=total, description=what)

    def told(self, table: str, rows: int) -> None:
        """So many rows of a table are done."""
        if table != self._table:
            self._before, self._table = self._before + self._rows, table
        self._rows = rows
        done = self._before + rows
        self._progress.update(self._task, completed=done, rows=f"{printable(table)}: {rows:,} rows")


@dataclass(frozen=True, slots=True)
class Copy:
    """A copy from one database into another, which may be there already."""

    source: Client
    target: Client
    from_url: str
    to_url: str
    shown: Shown

    def made(self, *, replaces: bool) -> Pass:
        """Make the copy, or go on with it, and compare."""
        schema, there = self._schemas()
        begun = unfinished(self.target)
        if begun is None and not there.is_empty and not replaces:
            return self._there_already(schema, there)
        if begun not in (None, self.from_url) and not replaces:
            raise Failure(
                f"{self.to_url} is the unfinished copy of {begun}: run that one to its end, or say"
                " --replace",
                Exit.REFUSED,
            )
        is_fresh = begun is None and there.is_empty
        checks_parents = schema.has_parents or there.has_parents
        fenced = Fenced((Unchecked if checks_parents else Requests)(self.target))
        with _fenced_off():
            fenced.begin(self.from_url, takes_over=not is_fresh)
            prepare(schema, there, fenced)
            done = self._gone_through(schema, fenced)
            schema = self._unchanged(schema)
            finish(schema, schema_of(self.target), self.source, fenced)
        check_same(schema, schema_of(self.target))
        return done

    def compared(self) -> Pass:
        """Compare, and write nothing; Failure if something is not the same."""
        schema, there = self._schemas()
        if (begun := unfinished(self.target)) is not None:
            raise Failure(f"{self.to_url} is the unfinished copy of {begun}", Exit.REFUSED)
        try:
            return self._comparison(schema, there)
        except Differs as error:
            raise Failure(f"{self.to_url}: {error}", Exit.REFUSED) from error

    def _there_already(self, schema: Schema, there: Schema) -> Pass:
        """Compare with a database that no copy is known to have made: one that has ended may."""
        try:
            return self._comparison(schema, there)
        except Differs as error:
            raise Failure(
                f"{self.to_url} exists and is another database ({error}): give another name, or"
                " say --replace to make it the same as the source",
                Exit.REFUSED,
            ) from error

    def _comparison(self, schema: Schema, there: Schema) -> Pass:
        check_same(schema, there)
        self.shown.begin("comparing")
        return compare(schema, self.source, self.target, self.shown.told)

    def _gone_through(self, schema: Schema, fenced: Fenced) -> Pass:
        """Go through the tables until there is nothing to change any more.

        What a pass reads of the source is what the one before it had read, if it finds nothing to
        change. So that was the state of the whole source at the moment between the two.
        """
        self.shown.begin("copying")
        done = go_through(schema, self.source, self.target, fenced, self.shown.told)
        for _ in range(PASSES_MAX - 1):
            self.shown.begin("comparing", sum(done.rows.values()))
            done = go_through(schema, self.source, self.target, fenced, self.shown.told)
            if not any(done.changed.values()):
                return done
        changed = ", ".join(f"{table} ({rows})" for table, rows in done.changed.items() if rows)
        raise Failure(
            f"the source is changed faster than it is copied: {changed} in the last of {PASSES_MAX}"
            " passes; stop what writes to it (SQLATCH_READ_ONLY=true), and run this again: it goes"
            " on from here",
            Exit.TRY_AGAIN,
        )

    def _schemas(self) -> tuple[Schema, Schema]:
        encoding = self.source.query("PRAGMA encoding").value()
        if encoding != UTF_8:
            raise Failure(
                f"the database is in {encoding!s}, and the service makes databases in {UTF_8}: move"
                " the file as it is",
                Exit.REFUSED,
            )
        if unfinished(self.source) is not None:
            raise Failure(f"{self.from_url} is itself an unfinished copy", Exit.REFUSED)
        return schema_of(self.source), schema_of(self.target)

    def _unchanged(self, schema: Schema) -> Schema:
        """Return the schema of the source as it is now; Failure if it was changed meanwhile."""
        now = schema_of(self.source)
        if now.made != schema.made:
            raise Failure(
                "the schema of the source was changed meanwhile: run this again, it goes on from"
                " here",
                Exit.TRY_AGAIN,
            )
        return now


@contextmanager
def _fenced_off() -> Iterator[None]:
    """Say that another run goes on with the same target, which has refused a write of this one."""
    try:
        yield
    except (Constraint, StatementError) as error:
        if MARK not in error.message:
            raise
        raise Failure(
            "another copy goes on with the same target: wait for its end, or stop it and"
            " run this again",
            Exit.TRY_AGAIN,
        ) from error


@contextmanager
def shown_on_a_terminal() -> Iterator[Shown]:
    console = Console(file=sys.stderr)
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rows]}", markup=False),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        yield Shown(progress)
