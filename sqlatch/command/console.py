"""`sqlatch console`: the console for a service elsewhere, with the credentials of this machine."""

import os
import signal
import sys
from importlib.util import find_spec

import click

from sqlatch.command.address import DatabaseAddress, with_address
from sqlatch.command.exits import Exit, Failure

THREADS = 8
"""Requests at the same time; a page sends a few."""


@click.command()
@with_address
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0: one that is free.")
def console(*, address: DatabaseAddress, port: int) -> None:
    """Serve the console on 127.0.0.1 for a service elsewhere, until Ctrl-C.

    The page asks this command, which asks the service as the other commands do: signed for IAM, or
    with a token. The link that it prints lets a browser of this machine in, and nobody else.
    """
    if find_spec("waitress") is None:
        raise Failure("waitress is not installed: pip install waitress", Exit.USAGE)
    from sqlatch.server.http import Server
    from sqlatch.server.proxy import Proxy

    with address.open(writes=True) as client:
        client.health()
        proxy = Proxy(client)
        try:
            server = Server(proxy.answer, port, threads=THREADS)
        except OSError as error:
            raise Failure(
                f"port {port} cannot be served: {os.strerror(error.errno or 0)}; --port names"
                " another",
                Exit.USAGE,
            ) from error
        signal.signal(signal.SIGTERM, lambda *_: server.stop())
        signal.signal(signal.SIGINT, lambda *_: server.stop())
        link = f"{server.url}/console#db={client.database}&token={proxy.secret}"
        click.echo(f"In the browser: {link}\n\nCtrl-C ends it.")
        sys.stdout.flush()
        server.run()
