"""`sqlatch mcp`: the database as tools for agents, over standard input and output."""

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit, Failure


@click.command()
@with_address
@click.option("-r", "--read-only", is_flag=True, help="Offer no tool that can write.")
def mcp(*, address: DatabaseAddress, read_only: bool) -> None:
    """Serve the Model Context Protocol: tools for schema, query, explain, history, execute.

    An agent's program starts this command, and speaks with it over standard input and output.
    """
    try:
        from sqlatch.command.agent import Agent
    except ImportError as error:
        raise Failure(
            f"{error.name} is not installed: pip install 'sqlatch[mcp]'", Exit.USAGE
        ) from error
    with address.open(writes=not read_only) as client:
        Agent(client).server(read_only=read_only).run("stdio")
