"""`sqlatch leader`: which node leads, and that another one shall."""

from collections.abc import Mapping
from typing import Any

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit


@click.group(invoke_without_command=True)
@with_address
@click.pass_context
def leader(context: click.Context, *, address: DatabaseAddress) -> int | None:
    """Show which node leads, since when, and until when at least.

    The exit code is 5 if none does at the moment.
    """
    if context.invoked_subcommand is not None:
        return None
    with address.open(writes=False) as client:
        answer = client.leader()
    if "leader" not in answer:
        click.echo("no leader: each node writes by itself (SQLATCH_LEADER is not set)")
        return Exit.OK
    click.echo(_told(answer))
    return Exit.OK if answer["leader"] else Exit.TRY_AGAIN


@leader.command()
@with_address
@click.argument("node", required=False)
def move(*, address: DatabaseAddress, node: str | None) -> None:
    """Have the node with the URL NODE lead, or any other than the one that does now.

    The leader ends its running writes first. Needs a token that may write to all databases.
    """
    with address.open(writes=True) as client:
        client.move_leader(node)
    click.echo(f"the leader is {node} now" if node else "the leader has stepped down")


def _told(answer: Mapping[str, Any]) -> str:
    if not answer["leader"]:
        return "no node leads at the moment"
    told = f"{answer['leader']} leads"
    if "term" in answer:
        told += (
            f", term {answer['term']}, since {answer['since']}, until {answer['until']} at least"
        )
    return told
