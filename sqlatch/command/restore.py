"""`sqlatch restore`: a dump or a file of SQLite into a database of a service, compared."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.copy import Copy, say_the_same, shown_on_a_terminal
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.local_file import FileClient, check_version, make_of_dump

HEADER = b"SQLite format 3\0"


@click.command()
@with_address
@click.option("--replace", is_flag=True, help="Make a database that is there already the same.")
@click.option("--check", is_flag=True, help="Write nothing, only compare.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def restore(*, address: DatabaseAddress, replace: bool, check: bool, file: Path) -> None:
    """Make a database of FILE, the SQL of a dump or a file of SQLite, and compare every row.

    A restore that was stopped goes on when it is called again.
    """
    check_version()
    # A restore may always be called again, so a lost answer leaves nothing to look for.
    with (
        _database(file) as path,
        closing(FileClient(path)) as source,
        address.open(writes=False) as target,
        shown_on_a_terminal() as shown,
    ):
        one = Copy(source, target, f"file:{file.resolve()}", address.url.rstrip("/"), shown)
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
