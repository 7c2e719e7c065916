"""`sqlatch load`: a file of rows into a table, of one database or of several at once."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.delimiter import CANDIDATES
from sqlatch.command.exits import Exit, Failure, failure_of
from sqlatch.command.form import Described, begins_as, with_described
from sqlatch.command.journal import CannotResume, alone, journal_of
from sqlatch.command.output import printable
from sqlatch.command.packed import CannotUnpack, kept, unpacked_name
from sqlatch.command.parallel import load_all, told
from sqlatch.command.parquet import NoPyarrow
from sqlatch.command.progress import reading
from sqlatch.command.schema import Table
from sqlatch.command.source import BadLine, Csv, Source
from sqlatch.command.survey import Spread, Survey, survey
from sqlatch.command.target import Target, tables_named, target_of
from sqlatch.command.wanted import Wanted, with_wanted
from sqlatch.errors import SqlatchError

DATABASES_MAX = 32

STANDARD_INPUT = Path("-")


@dataclass(frozen=True, slots=True)
class File:
    """A file as it was given, and as it is read: a pipe from the place where it is kept."""

    given: Path
    path: Path

    @property
    def again(self) -> str:
        """Return what to do about a load that stopped."""
        if self.path != self.given:
            return f"to go on, run it with {self.path} in the place of {self.given}"
        return "run it again to go on"


@click.command()
@with_address
@with_wanted
@with_described
@click.option(
    "--also", multiple=True, metavar="URL", help="Another database to load at the same time."
)
@click.option("--by", metavar="COLUMN", help="Spread the rows over the databases by this column.")
@click.option("--restart", is_flag=True, help="Forget a load of the file that stopped.")
@click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)
def load(
    *,
    address: DatabaseAddress,
    wanted: Wanted,
    described: Described,
    also: tuple[str, ...],
    by: str | None,
    restart: bool,
    file: Path,
) -> int:
    """Load a FILE of rows into a table: CSV, TSV, JSON lines or Parquet; packed by gzip, too.

    `-` is standard input. All of it is checked first: if a line is bad, nothing is loaded. A load
    that stopped goes on where it was when it is run again.
    """
    urls = [address.url, *also]
    if len(set(urls)) != len(urls) or len(urls) > DATABASES_MAX:
        raise click.UsageError(f"give 1 to {DATABASES_MAX} databases, each of them once")
    with ExitStack() as stack:
        clients = [stack.enter_context(address.at(url).client()) for url in urls]
        stack.enter_context(_failures(file))
        named = _named(wanted, file)
        if _is_regular(file):
            described.form_of(file)
        tables = tables_named(named, clients)
        read = stack.enter_context(_regular(file))
        stack.enter_context(alone(read.path))
        source = described.source(read.path)
        what = [named.name, urls, by, *filter(None, [named.present])]
        journal = journal_of(read.path, what, restart=restart)
        target, spread, surveyed = _surveyed(source, tables, named, by, shown=_shown(file))
        journal.write()
        target.create(clients)
        try:
            endings = load_all(
                source=source,
                surveyed=surveyed,
                target=target,
                present=named.present,
                spread=spread,
                clients=clients,
                urls=urls,
                journal=journal,
            )
        except KeyboardInterrupt:
            click.echo(read.again, err=True)
            raise
        return told(endings, urls, journal, read.again)


@contextmanager
def _failures(file: Path) -> Iterator[None]:
    """Say why nothing is loaded in the words of the command line."""
    try:
        yield
    except BadLine as error:
        raise Failure(f"{_shown(file)}: {error}; nothing is loaded", Exit.BAD_DATA) from error
    except (CannotUnpack, NoPyarrow) as error:
        raise Failure(str(error), Exit.USAGE) from error
    except CannotResume as error:
        raise Failure(f"{error}; --restart forgets it", Exit.BAD_DATA) from error
    except OSError as error:
        raise Failure(
            f"{_shown(file)}, or the journal beside it: {error.strerror}; mend that, and run the"
            " same command again",
            Exit.BAD_DATA,
        ) from error
    except SqlatchError as error:
        raise failure_of(error, writes=True) from error


def _named(wanted: Wanted, file: Path) -> Wanted:
    if wanted.name:
        return wanted
    if not _is_regular(file):
        raise click.UsageError(f"{_shown(file)} is a pipe, which names no table: give --table")
    return replace(wanted, name=unpacked_name(file).stem)


@contextmanager
def _regular(file: Path) -> Iterator[File]:
    """The file; a pipe is read to its end first, since it cannot be read twice."""
    if _is_regular(file):
        yield File(file, file)
        return
    with ExitStack() as stack:
        pipe = stack.enter_context(click.open_file(str(file), "rb"))
        try:
            with reading(f"reading {_shown(file)}", None) as told_bytes:
                path = stack.enter_context(kept(pipe, told_bytes))
        except OSError as error:
            raise Failure(
                f"{_shown(file)} could not be kept as a file: {error}; TMPDIR names a directory"
                " with more room",
                Exit.BAD_DATA,
            ) from error
        path = path.rename(path.with_suffix(f".{begins_as(path)}"))
        click.echo(f"{_shown(file)} is kept in {path} until it is loaded", err=True)
        yield File(file, path)


def _surveyed(
    source: Source,
    tables: Sequence[Table | None],
    wanted: Wanted,
    by: str | None,
    *,
    shown: str,
) -> tuple[Target, Spread, Survey]:
    """Read the file from end to end, before anything is sent."""
    size_bytes = source.path.stat().st_size
    with reading(f"reading {shown}", size_bytes) as told_bytes:
        target = target_of(source.telling(told_bytes), tables, wanted)
    if isinstance(source, Csv):
        click.echo(printable(f"{shown}: {_seen(source, len(target.columns))}"), err=True)
    spread = Spread(_place_of(by, target.columns), len(tables))
    with reading(f"checking {shown}", size_bytes) as told_bytes:
        telling = source.telling(told_bytes)
        surveyed = survey(telling, target.columns, target.kinds, spread, key=target.key)
    return target, spread, surveyed


def _seen(source: Csv, columns: int) -> str:
    """Return how a CSV is read: the wrong delimiter would make one column of all."""
    by = CANDIDATES.get(source.delimiter, repr(source.delimiter))
    return f"{columns} columns, separated by {by}" if columns > 1 else "one column"


def _place_of(by: str | None, columns: Sequence[str]) -> int | None:
    if by is not None and by not in columns:
        raise click.UsageError(f"there is no column {by!r} in the file")
    return None if by is None else columns.index(by)


def _is_regular(file: Path) -> bool:
    return file != STANDARD_INPUT and file.is_file()


def _shown(file: Path) -> str:
    return "standard input" if file == STANDARD_INPUT else str(file)
