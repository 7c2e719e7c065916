"""`sqlatch load`: a file of rows into a table, of one database or of several at once."""

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit, Failure, exit_of, failure_of
from sqlatch.command.journal import CannotResume, Journal, alone, journal_of
from sqlatch.command.loading import LineRefused, Load
from sqlatch.command.output import printable
from sqlatch.command.source import BadLine, Csv, JsonLines, Source
from sqlatch.command.survey import Spread, Survey, read, survey
from sqlatch.command.target import Target, target_of
from sqlatch.errors import SqlatchError

DATABASES_MAX = 32


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of the load of one database."""

    exit_code: Exit
    message: str


@click.command()
@with_address
@click.option("--table", metavar="NAME", help="The file's name without its suffix, if not given.")
@click.option("--create", is_flag=True, help="Make the table where it is missing.")
@click.option(
    "--also", multiple=True, metavar="URL", help="Another database to load at the same time."
)
@click.option("--by", metavar="COLUMN", help="Spread the rows over the databases by this column.")
@click.option("--format", "form", type=click.Choice(["csv", "jsonl"]), help="Else by the suffix.")
@click.option("--delimiter", default=",", show_default=True, help="Between the cells of a CSV.")
@click.option("--encoding", default="utf-8", show_default=True)
@click.option("--null", default="", help="The cell of a CSV that is NULL; an empty one else.")
@click.option("--unchecked", is_flag=True, help="Send values whatever type their column has.")
@click.option("--restart", is_flag=True, help="Forget a load of the file that stopped.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def load(
    *,
    address: DatabaseAddress,
    table: str | None,
    create: bool,
    also: tuple[str, ...],
    by: str | None,
    form: str | None,
    delimiter: str,
    encoding: str,
    null: str,
    unchecked: bool,
    restart: bool,
    file: Path,
) -> int:
    """Load a FILE of rows, CSV or JSON lines, into a table.

    All of it is checked first: if a line is bad, nothing is loaded. A load that stopped goes on
    where it was when it is run again.
    """
    urls = [address.url, *also]
    if len(set(urls)) != len(urls) or len(urls) > DATABASES_MAX:
        raise click.UsageError(f"give 1 to {DATABASES_MAX} databases, each of them once")
    source = _source(file, form, delimiter=delimiter, encoding=encoding, null=null)
    name = table or file.stem
    with ExitStack() as clients_open:
        clients = [clients_open.enter_context(address.at(url).client()) for url in urls]
        with _failures(file), alone(file):
            journal = journal_of(file, [name, urls, by], restart=restart)
            target = target_of(source, clients, name, create=create, unchecked=unchecked)
            spread = Spread(_place_of(by, target.columns), len(urls))
            surveyed = survey(source, target.columns, target.kinds, spread)
            journal.write()
            target.create(clients)
            endings = _load_all(
                source=source,
                surveyed=surveyed,
                target=target,
                spread=spread,
                clients=clients,
                urls=urls,
                journal=journal,
            )
    return _told(endings, urls, journal)


@contextmanager
def _failures(file: Path) -> Iterator[None]:
    """Say why nothing is loaded in the words of the command line."""
    try:
        yield
    except BadLine as error:
        raise Failure(f"{file}: {error}; nothing is loaded", Exit.BAD_DATA) from error
    except CannotResume as error:
        raise Failure(f"{error}; --restart forgets it", Exit.BAD_DATA) from error
    except SqlatchError as error:
        raise failure_of(error, writes=True) from error


def _source(file: Path, form: str | None, *, delimiter: str, encoding: str, null: str) -> Source:
    form = form or file.suffix.lower().removeprefix(".")
    if form not in ("csv", "jsonl"):
        raise click.UsageError(f"{file} is neither .csv nor .jsonl: give --format")
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise click.UsageError("the delimiter must be one character")
    try:
        keeps_lines = "a\n".encode(encoding) == b"a\n"
    except LookupError as error:
        raise click.UsageError(str(error)) from error
    if not keeps_lines:
        raise click.UsageError(
            f"{encoding} is not an encoding whose lines end as in ASCII, as utf-8 and latin-1 do"
        )
    if form == "csv":
        return Csv(file, delimiter, encoding, null)
    return JsonLines(file, encoding)


def _place_of(by: str | None, columns: Sequence[str]) -> int | None:
    if by is not None and by not in columns:
        raise click.UsageError(f"there is no column {by!r} in the file")
    return None if by is None else columns.index(by)


def _load_all(
    *,
    source: Source,
    surveyed: Survey,
    target: Target,
    spread: Spread,
    clients: Sequence[Client],
    urls: Sequence[str],
    journal: Journal,
) -> list[Ended]:
    """Load the databases at the same time, each from the file by itself."""
    stop = threading.Event()
    console = Console(file=sys.stderr)
    with (
        Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        ) as progress,
        ThreadPoolExecutor(len(urls)) as threads,
    ):

        def load_one(number: int) -> Ended:
            task = progress.add_task(printable(urls[number]), total=surveyed.rows[number])
            lines = (
                line
                for line in read(source, surveyed.columns, surveyed.kinds)
                if spread.takes(line.values, number)
            )
            one = Load(clients[number], urls[number], target.name, target.columns, journal, stop)
            return _ended(
                one, lambda: one.run(lines, lambda at: progress.update(task, completed=at))
            )

        try:
            running = [threads.submit(load_one, number) for number in range(len(urls))]
            return [each.result() for each in running]
        except KeyboardInterrupt:
            # The blocks that are on their way are waited for, and remembered.
            stop.set()
            raise


def _ended(one: Load, run: Callable[[], int]) -> Ended:
    try:
        loaded = run()
    except LineRefused as error:
        return Ended(exit_of(error.error, writes=True), str(error))
    except CannotResume as error:
        return Ended(Exit.BAD_DATA, f"{error}; --restart forgets it")
    except BadLine as error:
        return Ended(Exit.BAD_DATA, f"the file was changed while it was loaded: {error}")
    had = one.journal.done[one.url].rows - loaded if one.url in one.journal.done else 0
    return Ended(Exit.OK, f"{loaded} rows loaded" + (f", {had} were there" if had else ""))


def _told(endings: Sequence[Ended], urls: Sequence[str], journal: Journal) -> int:
    """Say how each database ended; the exit code is the worst one."""
    for url, ended in zip(urls, endings, strict=True):
        prefix = f"{url}: " if len(urls) > 1 else ""
        click.echo(printable(f"{prefix}{ended.message}"), err=ended.exit_code is not Exit.OK)
    worst = max(ended.exit_code for ended in endings)
    if worst is Exit.OK:
        journal.remove()
    else:
        click.echo(f"run it again to go on: {journal.path} knows how far it is", err=True)
    return worst
