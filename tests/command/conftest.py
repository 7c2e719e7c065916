"""The command line in this process, on a database of a server in a process of its own."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pytest

from sqlatch.client import Client, connect
from sqlatch.command.main import run
from sqlatch.tokens import new_key, sign
from tests import local_server

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """The end of a command: its exit code, and its output."""

    code: int
    out: str
    err: str


Sqlatch = Callable[..., Ended]


@contextmanager
def serving(directory: Path | None, **variables: str) -> Iterator[str]:
    """The address of `sqlatch serve` on a directory of databases."""
    if directory is not None:
        variables["SQLATCH_DATABASES"] = str(directory)
    with local_server.serving(environment=os.environ | variables) as server:
        yield server["SQLATCH_URL"].removesuffix("/main/")


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("databases")


@pytest.fixture(scope="session")
def key() -> tuple[str, str]:
    """The private and the public key of the tokens that the services of these tests take."""
    return new_key()


@pytest.fixture(scope="session")
def served(databases: Path, key: tuple[str, str]) -> Iterator[str]:
    with serving(databases, SQLATCH_TOKEN_KEYS=key[1]) as url:
        yield url


@pytest.fixture
def token(key: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A token for everything, which commands send."""
    token = sign(key[0], access="rw", databases="*", lifetime_s=3_600)
    monkeypatch.setenv("SQLATCH_TOKEN", token)
    return token


@pytest.fixture(scope="session")
def numbers() -> Iterator[int]:
    return count()


@pytest.fixture
def url(served: str, numbers: Iterator[int], monkeypatch: pytest.MonkeyPatch) -> str:
    """A database of the test's own, which a command asks unless it is told another."""
    url = f"{served}/d{next(numbers)}"
    monkeypatch.setenv("SQLATCH_URL", url)
    # No profile of whoever runs the tests.
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    return url


@pytest.fixture
def sqlatch(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Sqlatch:
    """Run a command line."""

    def sqlatch(*arguments: str, given: str | bytes = "") -> Ended:
        capsys.readouterr()
        content = given.encode() if isinstance(given, str) else given
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8"))
        code = run(arguments)
        return Ended(code, *capsys.readouterr())

    return sqlatch


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with connect(url) as client:
        yield client
