"""The commands together, and how a failure ends."""

import json
from collections.abc import Sequence

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.console import console
from sqlatch.command.copy import copy
from sqlatch.command.dump import dump
from sqlatch.command.exits import Exit
from sqlatch.command.export import export
from sqlatch.command.history import branch, history
from sqlatch.command.leader import leader
from sqlatch.command.load import load
from sqlatch.command.manage import create, databases, delete, rename, undelete
from sqlatch.command.mcp import mcp
from sqlatch.command.query import query
from sqlatch.command.replica import import_replica
from sqlatch.command.restore import restore
from sqlatch.command.serve import serve
from sqlatch.command.shell import shell
from sqlatch.command.token import token
from sqlatch.command.top import top
from sqlatch.command.use import use
from sqlatch.kernel.version import __version__


def run(arguments: Sequence[str]) -> int:
    """Run a command; the exit code."""
    try:
        return int(commands.main(list(arguments), prog_name="sqlatch", standalone_mode=False) or 0)
    except click.Abort:
        click.echo("interrupted", err=True)
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except OSError as error:
        # A file of the user's own: what fails on the way to a service is no OSError any more.
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"Error: {where}{error.strerror or error}", err=True)
        return Exit.NOT_SHOWN


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sqlatch")
def commands() -> None:
    """SQL on the databases of a sqlatch service."""


@commands.command()
@with_address
def health(*, address: DatabaseAddress) -> int:
    """Ask whether the service is well; the exit code is 5 if it is not."""
    with address.open(writes=False) as client:
        answer = client.health()
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
    return Exit.OK if answer.get("status") == "ok" else Exit.TRY_AGAIN


for each in (
    query, shell, load, export, dump, restore, copy, databases, create, delete, undelete, rename,
    history, branch, import_replica, leader, use, token, mcp, serve, console, top,
):  # fmt: skip
    commands.add_command(each)
