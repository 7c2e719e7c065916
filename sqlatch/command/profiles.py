"""Profiles: names for databases, each with its URL and the way to get its token, in a file."""

import json
import os
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from sqlatch.command.exits import Exit, Failure
from sqlatch.kernel.hints import did_you_mean

WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH
COMMAND_S_MAX = 120
"""A command that gets a token may ask its user for a password."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The URL of a database, and where its token is: at most one of three places."""

    url: str
    token_variable: str | None = None
    token_file: str | None = None
    token_command: str | None = None

    @property
    def has_token(self) -> bool:
        return bool(self.token_variable or self.token_file or self.token_command)

    def token(self) -> str:
        """Return the token from its place; Failure if it is not there."""
        if self.token_variable:
            token = os.environ.get(self.token_variable, "")
            place = f"the variable {self.token_variable}"
        elif self.token_file:
            place = f"the file {self.token_file}"
            try:
                token = Path(self.token_file).expanduser().read_text()
            except (OSError, UnicodeDecodeError) as error:
                raise Failure(f"the token cannot be read: {error}", Exit.NOT_PERMITTED) from error
        else:
            place = f"the output of {self.token_command!r}"
            token = self._output()
        if not token.strip():
            raise Failure(f"there is no token in {place}", Exit.NOT_PERMITTED)
        return token.strip()

    def _output(self) -> str:
        try:
            return subprocess.run(
                self.token_command or "", shell=True, check=True, stdout=subprocess.PIPE, text=True,
                timeout=COMMAND_S_MAX,
            ).stdout  # fmt: skip
        except (subprocess.SubprocessError, UnicodeDecodeError) as error:
            raise Failure(f"no token was got: {error}", Exit.NOT_PERMITTED) from error


@dataclass(slots=True)
class Profiles:
    """The profiles of a user, and the name of the one in use."""

    path: Path
    known: dict[str, Profile] = field(default_factory=dict)
    used: str | None = None

    def named(self, name: str) -> Profile:
        """Return a profile; Failure if there is none of the name."""
        if name not in self.known:
            raise Failure(
                f"there is no profile {name!r}{did_you_mean(name, self.known)};"
                f" `sqlatch use {name} --url URL` makes it",
                Exit.USAGE,
            )
        return self.known[name]

    def write(self) -> None:
        """Write the file, which only its owner may read."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        said = {
            "use": self.used,
            "profiles": {
                name: {key: value for key, value in asdict(one).items() if value is not None}
                for name, one in self.known.items()
            },
        }
        begun = self.path.with_name(f"{self.path.name}.tmp")
        begun.unlink(missing_ok=True)
        begun.touch(mode=0o600, exist_ok=False)
        begun.write_text(json.dumps(said, indent=2) + "\n")
        begun.replace(self.path)


def profiles() -> Profiles:
    """Read the profiles. A file that others can write is refused: it may name a command."""
    path = Path(click.get_app_dir("sqlatch")) / "profiles.json"
    if not path.exists():
        return Profiles(path)
    if os.name == "posix" and path.stat().st_mode & WRITABLE_BY_OTHERS:
        raise Failure(f"others can write to {path}: chmod 600 it, and look at it", Exit.USAGE)
    try:
        said = json.loads(path.read_bytes())
        known = {name: Profile(**_texts(one)) for name, one in said["profiles"].items()}
        return Profiles(path, known, said["use"] if said["use"] in known else None)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise Failure(f"{path} cannot be read: {error!r}", Exit.USAGE) from error


def _texts(said: Mapping[str, object]) -> dict[str, str]:
    if not all(isinstance(value, str) for value in said.values()):
        raise TypeError("a value of a profile is a text")
    return {name: str(value) for name, value in said.items()}
