"""The options of a command that name a database, and the client that they open."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import click

from sqlatch.client import ATTEMPT_S, TIMEOUT_S, Client, connect
from sqlatch.command.exits import failure_of
from sqlatch.errors import SqlatchError

Command = Callable[..., Any]

TOKEN = "SQLATCH_TOKEN"
"""A token is in the environment: the command line of a process can be read by others."""


@dataclass(frozen=True, slots=True)
class DatabaseAddress:
    """The URL of a database, and how to call it."""

    url: str
    iam: bool | None
    timeout_s: float
    token: str = TOKEN
    """The variable of the environment that has the token."""

    def at(self, url: str, *, token: str | None = None) -> "DatabaseAddress":
        """Return the address of another database, called in the same way.

        Its token is in the variable `token`, if that is set.
        """
        own = token if token is not None and token in os.environ else self.token
        return replace(self, url=url, token=own)

    def client(self) -> Client:
        """Return a client, which is to be closed."""
        return connect(
            self.url,
            token=os.environ.get(self.token) or None,
            iam=self.iam,
            timeout_s=self.timeout_s,
            attempt_s=max(ATTEMPT_S, self.timeout_s / 2),
        )

    @contextmanager
    def open(self, *, writes: bool) -> Iterator[Client]:
        """A client; what fails ends the command with its exit code."""
        try:
            with self.client() as client:
                yield client
        except SqlatchError as error:
            raise failure_of(error, writes=writes) from error


def with_address(command: Command) -> Command:
    """Give a command the options of an address, as `address`."""

    @wraps(command)
    def addressed(*, url: str, iam: bool | None, timeout_s: float, **options: Any) -> Any:
        return command(address=DatabaseAddress(url, iam, timeout_s), **options)

    return _URL(_IAM(_TIMEOUT(addressed)))


_URL = click.option(
    "-u", "--url", envvar="SQLATCH_URL", required=True,
    help="lambda://FUNCTION/DATABASE, https://HOST/DATABASE/ or http://HOST/DATABASE/;"
    f" or $SQLATCH_URL. A token comes from ${TOKEN}.",
)  # fmt: skip
_IAM = click.option(
    "--iam/--no-iam", default=None, help="Sign for IAM. Unless said: https:// without a token."
)
_TIMEOUT = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), default=TIMEOUT_S,
    show_default=True, help="Seconds for a call, its repeats and all.",
)  # fmt: skip
