"""The options of a command that name a database, and the client that they open."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

import click

from sqlatch.client import Client, connect
from sqlatch.command.exits import failure_of
from sqlatch.command.profiles import Profile, profiles
from sqlatch.command.use import complete_profiles
from sqlatch.errors import SqlatchError
from sqlatch.opening import ATTEMPT_S, TIMEOUT_S

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
    profile: Profile | None = None
    """The profile that names the database, if one does."""

    def at(self, url: str, *, token: str | None = None) -> "DatabaseAddress":
        """Return the address of another database, called in the same way.

        Its token is in the variable `token`, if that is set. That of a profile stays with its
        service.
        """
        own = token if token is not None and token in os.environ else self.token
        is_near = urlsplit(url)[:2] == urlsplit(self.url)[:2]
        profile = self.profile if is_near and own == self.token else None
        return replace(self, url=url, token=own, profile=profile)

    def client(self) -> Client:
        """Return a client, which is to be closed."""
        if self.profile is not None and self.profile.has_token:
            token: str | None = self.profile.token()
        else:
            token = os.environ.get(self.token) or None
        return connect(
            self.url,
            token=token,
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
    def addressed(*, url: str | None, iam: bool | None, timeout_s: float, **options: Any) -> Any:
        return command(address=_address(url, iam=iam, timeout_s=timeout_s), **options)

    return _URL(_IAM(_TIMEOUT(addressed)))


def _address(given: str | None, *, iam: bool | None, timeout_s: float) -> DatabaseAddress:
    """The address that is given, by a URL or by the name of a profile, or else the one in use."""
    if given is not None and "/" in given:
        return DatabaseAddress(given, iam, timeout_s)
    kept = profiles()
    name = kept.used if given is None else given
    if name is None:
        raise click.UsageError(
            "no database is named: give --url, set SQLATCH_URL, or choose one with `sqlatch use`"
        )
    profile = kept.named(name)
    return DatabaseAddress(profile.url, iam, timeout_s, profile=profile)


_URL = click.option(
    "-u", "--url", envvar="SQLATCH_URL", shell_complete=complete_profiles,
    help="lambda://FUNCTION/DATABASE, https://HOST/DATABASE/, http://HOST/DATABASE/, or a name"
    f" that `sqlatch use` made; or $SQLATCH_URL. A token comes from ${TOKEN}.",
)  # fmt: skip
_IAM = click.option(
    "--iam/--no-iam", default=None, help="Sign for IAM. Unless said: https:// without a token."
)
_TIMEOUT = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0, min_open=True), default=TIMEOUT_S,
    show_default=True, help="Seconds for a call, its repeats and all.",
)  # fmt: skip
