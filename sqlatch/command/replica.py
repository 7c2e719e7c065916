"""`sqlatch export --litestream` and `sqlatch import`: a database with its history, as a replica."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from sqlatch.command.exits import Exit, Failure
from sqlatch.command.serve import check_that_it_can_run
from sqlatch.failures import BadUrl
from sqlatch.url import check_database

_LOG = click.option(
    "--log", envvar="SQLATCH_LOG", metavar="ADDRESS",
    help="Where the logs are: directory:DIR or dynamodb:TABLE,s3://BUCKET/PREFIX.",
)  # fmt: skip
_LITESTREAM = click.option(
    "--litestream", type=click.Path(path_type=Path), metavar="DIR",
    help="Write the database of that name with all its history to DIR, from its log, as a replica"
    " that `litestream restore` reads.",
)  # fmt: skip


def or_a_replica(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command, which asks a service, also write a replica, which needs none."""

    @wraps(command)
    def chosen(*, litestream: Path | None, log: str | None, what: str, **options: Any) -> Any:
        if litestream is None:
            return command(what=what, **options)
        done = _ask("export", log, what, litestream)
        click.echo(
            f"{what} up to position {done['position']} is in {litestream};"
            f" litestream restore -o {what}.db file://{litestream.resolve()}"
        )
        return Exit.OK

    return _LITESTREAM(_LOG(chosen))


@click.command("import")
@_LOG
@click.argument("directory", type=click.Path(path_type=Path), metavar="DIR")
@click.argument("name")
def import_replica(*, log: str | None, directory: Path, name: str) -> None:
    """Make the database NAME of a Litestream replica in DIR, with its history.

    Each state of the replica becomes a commit at its time. It is written to the log, which this
    machine must reach. A file of SQLite goes to a service by `sqlatch restore`.
    """
    done = _ask("import", log, name, directory)
    click.echo(f"{name} has the states of {directory}, up to position {done['position']}")


def _ask(what: str, log: str | None, name: str, directory: Path) -> dict[str, Any]:
    """Have the service's own code do it, in a process of its own."""
    check_that_it_can_run()
    from sqlatch.server.worker import python_path

    if not log:
        raise click.UsageError("name the log: give --log, or set SQLATCH_LOG")
    try:
        check_database(name)
    except BadUrl as error:
        raise click.UsageError(str(error)) from error
    environment = {**os.environ, "SQLATCH_LOG": log, "SQLATCH_DATABASES": ""}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "handler.local_replica", what, name, directory],
        env={**environment, "PYTHONPATH": python_path(environment)},
        stdout=subprocess.PIPE,
        check=False,
    )
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise Failure(f"the process ended with {done.returncode}", Exit.REFUSED) from error
    if done.returncode:
        raise Failure(answer["message"], Exit.REFUSED)
    return answer
