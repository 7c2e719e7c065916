"""`sqlatch restore`: a dump or a file of SQLite into a database of a service, compared."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.copy import Copy, say_the_same, shown_on_a_terminal
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.history import AT, make_branch
from sqlatch.command.local_file import FileClient, check_version, make_of_dump

HEADER = b"SQLite format 3\0"


@click.command()
@with_address
@click.option("--replace", is_flag=True, help="Make a database that is there already the same.")
@click.option("--check", is_flag=True, help="Write nothing, only compare.")
@AT
@click.option("--to", metavar="NAME", help="With --at: the new database.")
@click.argument("source", metavar="FILE|NAME")
def restore(
    *,
    address: DatabaseAddress,
    replace: bool,
    check: bool,
    at: str | None,
    to: str | None,
    source: str,
) -> None:
    """Make a database of FILE, the SQL of a dump or a file of SQLite, and compare every row.

    A restore that was stopped goes on when it is called again.

    With --at and --to: make the database TO of what the database NAME was then, where databases are
    logs. NAME stays as it is.
    """
    if at is not None or to is not None:
        if at is None or to is None or replace or check:
            raise click.UsageError("a moment is restored with --at and --to, and nothing else")
        make_branch(address, source, to, at)
        return
    _restore(address, Path(source), replace=replace, check=check)


def _restore(address: DatabaseAddress, file: Path, *, replace: bool, check: bool) -> None:
    if not file.is_file():
        raise click.UsageError(f"there is no file {file}; a moment is restored with --at and --to")
    check_version()
    # A restore may always be called again, so a lost answer leaves nothing to look for.
    with (
        _database(file) as path,
        closing(FileClient(path)) as local,
        address.open(writes=False) as target,
        shown_on_a_terminal() as shown,
    ):
        one = Copy(local, target, f"file:{file.resolve()}", address.url.rstrip("/"), shown)
        done = one.compared() if check else one.made(replaces=replace)
    say_the_same(done, f"in {file} and in the database")


@contextmanager
def _database(file: Path) -> Iterator[Path]:
    """The file itself if it is one of SQLite's, else one that is made of the SQL in it."""
    with file.open("rb") as content:
        beginning = content.read(len(HEADER))
    if beginning == HEADER:
        yield file
        return
    if b"\0" in beginning:
        raise Failure(
            f"{file} is neither a file of SQLite nor SQL: unpack it first, if it is packed",
            Exit.BAD_DATA,
        )
    with tempfile.TemporaryDirectory(prefix="sqlatch-restore-") as directory:
        made = Path(directory) / "made.db"
        click.echo(f"reading {file}", err=True)
        make_of_dump(file, made)
        yield made
