"""`sqlatch history` and `sqlatch branch`: a database as it was, and another one made of that."""

import sys
from typing import TYPE_CHECKING

import click

from sqlatch.client import Client
from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.output import Format, write
from sqlatch.result import Result

if TYPE_CHECKING:
    from sqlatch.kernel.values import Row

AT = click.option(
    "--at", metavar="TIME|POSITION",
    help="As it was then: 2026-11-22T10:15:00Z, or a position of `sqlatch history`.",
)  # fmt: skip


@click.command()
@with_address
@click.option("--most", type=click.IntRange(1, 10_000), default=20, show_default=True,
              help="How many are shown.")  # fmt: skip
@click.option("--before", metavar="POSITION", help="Only those before that position.")
@click.option(
    "-o", "--output", "form", type=click.Choice([form.value for form in Format]),
    default=Format.TABLE.value, show_default=True, help="How they are written.",
)  # fmt: skip
@click.argument("name", required=False)
def history(
    *, address: DatabaseAddress, most: int, before: str | None, form: str, name: str | None
) -> None:
    """Show the states of a database that can be read, newest first.

    Each is the one behind a commit. Without bytes it is that of a snapshot or of a merged file.
    """
    with address.open(writes=False) as client:
        _choose(client, name)
        commits = client.history(before=before, most=most)
    rows: list[Row] = [
        (one.position, one.at.isoformat(sep=" ", timespec="milliseconds"), one.bytes)
        for one in commits
    ]
    write(Result(("position", "at", "bytes"), rows, 0, None), Format(form), sys.stdout)


@click.command()
@with_address
@AT
@click.argument("name")
@click.argument("to")
def branch(*, address: DatabaseAddress, at: str | None, name: str, to: str) -> None:
    """Make the database TO of what NAME is, or was at a moment. Each then goes its own way."""
    make_branch(address, name, to, at)


def make_branch(address: DatabaseAddress, name: str, to: str, at: str | None) -> None:
    """Make one database of another, and say of which state."""
    with address.open(writes=True) as client:
        _choose(client, name)
        position = client.branch(to, at=at)
    click.echo(f"{to} is {name} as it was at position {position}")


def _choose(client: Client, name: str | None) -> None:
    client.database = name or client.database
