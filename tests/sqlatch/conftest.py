"""A client over each transport, to the real handler."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sqlatch
from handler.service import service
from sqlatch.client import Client
from sqlatch.server.http import Server
from sqlatch.tokens import new_key, sign
from tests import local_server
from tests.conftest import forget
from tests.dynamodb_server import CREDENTIALS
from tests.sqlatch import awaiting, lambda_server
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer

CONNECTS = {"threads": sqlatch.connect, "asyncio": awaiting.connect}
_kinds = ["threads"]
_replicas: list[dict[str, Any]] = []
"""The options of the replicas of the test that runs: where their copies are, and the token."""


@contextmanager
def kind_of_client(kind: str) -> Iterator[None]:
    """Have `connect` make clients of this kind inside the block."""
    _kinds.append(kind)
    try:
        yield
    finally:
        _kinds.pop()


@pytest.fixture(params=CONNECTS)
def kind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Both kinds of client, each in turn."""
    with kind_of_client(request.param):
        yield


def connect(url: str, **options: Any) -> Client:
    """A client of the kind of the test; for threads, if it has none."""
    options = replica_at(url) | options
    connected: Client = CONNECTS[_kinds[-1]](url, **options)
    return connected


@pytest.fixture
def composed(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The service in this process, with its leases in a file."""
    monkeypatch.setenv("SQLATCH_DATABASES", str(directory))
    service.cache_clear()
    yield directory
    forget(service)


@pytest.fixture
def lambda_api(composed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LambdaServer]:
    """Lambda's API; boto3 of this process is told to call it."""
    with lambda_server.running() as server:
        for name, value in CREDENTIALS.items():
            monkeypatch.setenv(name, value)
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            monkeypatch.setenv(name, str(composed / "none"))
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", server.url)
        yield server


@contextmanager
def serving() -> Iterator[str]:
    """The address of a local server whose service is that of this process."""
    server = Server(local_server.answer, 0)
    with local_server.running(server):
        yield server.url.replace("127.0.0.1", "localhost")


@pytest.fixture
def http_url(composed: Path) -> Iterator[str]:
    with serving() as url:
        yield f"{url}/main"


def replica_at(url: str) -> dict[str, Any]:
    """The options that a replica needs beside its URL."""
    return _replicas[-1] if url.startswith("replica+") else {}


@pytest.fixture
def replica_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The database in a copy; the leader is the service of this process."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "copies").mkdir()
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{tmp_path / 'logs'}")
    monkeypatch.setenv("SQLATCH_COPIES", str(tmp_path / "copies"))
    private, public = new_key()
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", public)
    service.cache_clear()
    token = sign(private, access="rw", databases="*", lifetime_s=600)
    _replicas.append({"path": tmp_path / "replica", "token": token})
    with serving() as url:
        yield f"replica+{url}/main"
    _replicas.pop()
    forget(service)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests of the database `url` over each transport.

    Over a replica those of modules that say so, but for what is `in_files`: its leader has logs.
    """
    names = [marker.args[0] for marker in metafunc.definition.iter_markers("parametrize")]
    if "url" not in metafunc.fixturenames or any("url" in each for each in names):
        return
    ways: list[Any] = ["lambda", "http"]
    is_in_files = metafunc.definition.get_closest_marker("in_files")
    if getattr(metafunc.module, "ALSO_OVER_A_REPLICA", False) and not is_in_files:
        ways.append(pytest.param("replica", marks=pytest.mark.slow))
    metafunc.parametrize("url", ways, indirect=True)


@pytest.fixture
def url(request: pytest.FixtureRequest) -> str:
    """The database `main`, by each transport in turn."""
    if request.param != "lambda":
        return str(request.getfixturevalue(f"{request.param}_url"))
    request.getfixturevalue("lambda_api")
    return f"lambda://{FUNCTION}/main"


@pytest.fixture
def credentials(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """The arguments of `dbapi.connect` beside the URL: over HTTP a token."""
    given: dict[str, Any] = {}
    given |= replica_at(url)
    if url.startswith("http"):
        private, public = new_key()
        monkeypatch.setenv("SQLATCH_TOKEN_KEYS", public)
        service.cache_clear()
        given["token"] = sign(private, access="rw", databases="*", lifetime_s=3_600)
    yield given
    service().close()


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with connected(url) as client:
        yield client


@contextmanager
def connected(url: str, **options: Any) -> Iterator[Client]:
    """A client that repeats at once, and whose time is never up, however slow the machine."""
    with connect(url, **options) as client:
        client.attempts = replace(client.attempts, chance=lambda: 0.0, now=lambda: 0.0)
        yield client
