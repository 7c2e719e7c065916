"""`sqlatch databases`, `create`, `delete`, `undelete` and `rename`: databases as a whole."""

import sys

import click

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.copy import Copy, shown_on_a_terminal
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.output import Format, printable, write
from sqlatch.errors import DatabaseChanged, DatabaseNotFound
from sqlatch.result import Result

ATTEMPTS_MAX = 3
"""How often a rename compares again, if others write to the database meanwhile."""

NO_STATE = "none"
"""A state that no database is in."""


@click.command()
@with_address
@click.option(
    "-o", "--output", "form", type=click.Choice([form.value for form in Format]),
    default=Format.TABLE.value, show_default=True, help="How they are written.",
)  # fmt: skip
def databases(*, address: DatabaseAddress, form: str) -> None:
    """List the databases of the service with their sizes."""
    with address.open(writes=False) as client:
        found = client.health()["databases"]
    result = Result(("name", "bytes"), [(one["name"], one["bytes"]) for one in found], 0, None)
    write(result, Format(form), sys.stdout)


@click.command()
@with_address
@click.argument("name")
def create(*, address: DatabaseAddress, name: str) -> None:
    """Create an empty database."""
    with address.open(writes=True) as client:
        client.database = name
        if _exists(client):
            raise Failure(f"the database {name!r} exists", Exit.REFUSED)
        client.execute("PRAGMA user_version = 0")
    click.echo(f"{name} is created")


@click.command()
@with_address
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.argument("name")
def delete(*, address: DatabaseAddress, yes: bool, name: str) -> None:
    """Delete a database. The service keeps a copy of it for 7 days: see `sqlatch undelete`."""
    with address.open(writes=True) as client:
        client.database = name
        if not yes:
            tables = client.query(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'table'"
                " AND name NOT GLOB 'sqlatch_*' AND name NOT GLOB 'sqlite_*'"
            ).value()
            click.confirm(
                f"delete the database {name!r}, which has {tables!s} tables?", abort=True, err=True
            )
        kept = client.delete_database()
    click.echo(f"{name} is deleted; for 7 days it comes back with: sqlatch undelete {name} {kept}")


@click.command()
@with_address
@click.argument("name")
@click.argument("kept")
def undelete(*, address: DatabaseAddress, name: str, kept: str) -> None:
    """Bring a database back that was deleted; KEPT is what `sqlatch delete` has said."""
    with address.open(writes=True) as client:
        client.database = name
        client.undelete_database(kept)
    click.echo(f"{name} is back")


@click.command()
@with_address
@click.argument("name")
@click.argument("to")
def rename(*, address: DatabaseAddress, name: str, to: str) -> None:
    """Give a database another name: it is copied, compared, and deleted if nobody has written.

    A rename that was stopped goes on when it is called again. The service keeps a copy of the old
    one for 7 days.
    """
    if name == to:
        raise click.UsageError("the two names are the same")
    with (
        address.open(writes=False) as source,
        address.open(writes=False) as target,
        shown_on_a_terminal() as shown,
    ):
        source.database, target.database = name, to
        _check_deletable(source)
        one = Copy(source, target, f"database:{name}", f"database:{to}", shown)
        kept = _moved(one)
    click.echo(printable(f"{name} is {to} now; the old one is kept for 7 days as {kept}"))


def _moved(one: Copy) -> str:
    """Copy, compare, and delete the source in the state that was compared."""
    for attempt in range(ATTEMPTS_MAX):
        one.made(replaces=attempt > 0)
        state = _state_of(one.source)
        one.compared()
        try:
            return one.source.delete_database(if_state=state)
        except DatabaseChanged:
            continue
    raise Failure(
        f"{one.from_url} is written to all the time: stop its writers, and run this again; both"
        " are there",
        Exit.TRY_AGAIN,
    )


def _check_deletable(client: Client) -> None:
    """Raise what the service says where it cannot delete the database."""
    try:
        client.delete_database(if_state=NO_STATE)
    except DatabaseChanged:
        return
    raise AssertionError("a database is in no state of that name")


def _state_of(client: Client) -> str:
    page = client.page("SELECT 1").page
    assert page is not None
    return page.state


def _exists(client: Client) -> bool:
    try:
        client.query("SELECT 1 FROM sqlite_schema LIMIT 1")
    except DatabaseNotFound:
        return False
    return True
