"""Fixtures of many tests: a directory of databases, a lease table of each kind, the handler."""

import gc
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.loaders import JSONFileLoader
from hypothesis import settings

from benchmarks import cloud_server
from handler import local
from handler.service import Service, service
from sqlatch.kernel.errors import SqlatchError
from storage.log.moments import Clocks
from tests import dynamodb_server
from tests.faults import cloud_server as aws_of_logs
from tests.faults import tally
from tests.faults.machine import Time

Ask = Callable[..., dict[str, Any]]

settings.register_profile("sqlatch", deadline=None, print_blob=True)
settings.load_profile("sqlatch")


SETTINGS = ("SQLATCH_", "POWERTOOLS_", "AWS_", "LOG_LEVEL", "_X_AMZN_TRACE_ID")
"""Beginnings of variables that the service, boto3 or a client reads, but for the campaign's own."""

TESTS = Path(__file__).parent
DIRECTORIES = ("clients", "console", "django", "e2e", "nfs", "wheel")
"""All tests in one of these have a marker of the same name."""

MEMORY = Path("/dev/shm")
MEMORY_FREE_BYTES_MIN = 2 << 30
"""Ten times what a run needs at once, since the directory of a test that passed is removed."""

ON_DISK = ("e2e", "nfs", "wheel")
"""Tests of NFS on a real file system, and tests that unpack and link packages."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engine",
        choices=("inplace", "log", "table"),
        default="inplace",
        help="how databases are kept in the tests that ask the service",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take out what the shell that started the tests has set up for its own use."""
    for name in [name for name in os.environ if name.startswith(SETTINGS)]:
        if not name.startswith(("SQLATCH_FAULTS_", "SQLATCH_NFS_")):
            del os.environ[name]
    os.environ |= {
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name in ("no_proxy", "NO_PROXY"):
        os.environ[name] = ",".join([*os.environ.get(name, "").split(), "localhost,127.0.0.1"])
    if not (tally.FULL or config.option.markexpr in ON_DISK or "TMPDIR" in os.environ):
        keep_temporary_files_in_memory()


def keep_temporary_files_in_memory() -> None:
    """Have a sync cost nothing: on a disk, tests wait for it half of their time.

    None of these tests cuts the power. A process that is killed leaves what it wrote on either, and
    what a crash of the machine leaves is simulated. To run them on a disk, set TMPDIR.
    """
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_FREE_BYTES_MIN:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


@pytest.fixture(scope="session", autouse=True)
def _models_of_aws_parsed_once() -> Iterator[None]:
    """Parse each JSON file of botocore once: every session parses 3 MB anew, and tests make 700."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JSONFileLoader, "load_file", staticmethod(cache(JSONFileLoader().load_file)))
        yield


@pytest.fixture(scope="session")
def dynamodb_url() -> Iterator[str]:
    """A server that answers what leases ask as moto's does, in a fiftieth of its time.

    tests/locking has moto's, and tests/benchmarks compares the two.
    """
    with cloud_server.running() as url:
        yield url


@pytest.fixture(scope="session")
def cloud_url() -> Iterator[str]:
    """A server that answers a log as moto does, in a fiftieth of its time."""
    with aws_of_logs.running() as url:
        yield url


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    with dynamodb_server.running() as url:
        yield url


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "databases"
    path.mkdir()
    return path


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import a directory of tests with a marker that this run leaves out."""
    excluded = re.fullmatch(r"not \(([\w ]+)\)", config.option.markexpr)
    name = collection_path.name
    if excluded and collection_path == TESTS / name and name in DIRECTORIES:
        return name in excluded[1].split(" or ") or None
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """A worker for each processor, and one more: a third of the time a test waits."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_finish() -> None:
    """Keep what was collected out of the collector, which would walk it again in each test."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand what the fault campaigns counted in a worker of pytest-xdist to whom it works for."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = tally.sums()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    tally.add(getattr(node, "workeroutput", {}).get("tally", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in tally.lines():
        terminalreporter.write_line(line)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests marked `lease_tables` on each kind of table, not only on that in a file."""
    if metafunc.definition.get_closest_marker("lease_tables"):
        has_leases = metafunc.config.getoption("--engine") != "table"
        without = [] if has_leases else [pytest.mark.skip(reason="a log in a table has no leases")]
        kinds = ["sqlite", pytest.param("dynamodb", marks=without)]
        metafunc.parametrize("environment", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give tests the marker that their directory is named for; skip those of other engines."""
    for item in items:
        if (directory := item.path.relative_to(TESTS).parts[0]) in DIRECTORIES:
            item.add_marker(directory)
        marker = item.get_closest_marker("only_with")
        if marker and config.getoption("--engine") not in marker.args:
            item.add_marker(pytest.mark.skip(reason=marker.kwargs["because"]))


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The environment of a function; its leases lie in a file unless the test asks for DynamoDB.

    A request has a minute, since a busy machine may take ten times as long as a quiet one.
    """
    variables = {"SQLATCH_TIMEOUT_MS": "60000", **databases_in(directory, request)}
    monkeypatch.setattr(local, "TIMEOUT_S", 120.0)
    if getattr(request, "param", "sqlite") == "dynamodb":
        variables |= dynamodb_environment(request)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    service.cache_clear()
    yield variables
    forget(service)


def databases_in(directory: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of databases in a directory or a table, kept by the engine under test."""
    engine = request.config.getoption("--engine")
    if getattr(request, "param", "") == "table":
        engine = "table"
    if engine == "inplace":
        return {"SQLATCH_DATABASES": str(directory)}
    copies = directory.with_name("copies")
    copies.mkdir()
    if engine == "log":
        return {"SQLATCH_LOG": f"directory:{directory}", "SQLATCH_COPIES": str(copies)}
    url = aws_at("moto_url", request)
    return {
        **dynamodb_server.CREDENTIALS,
        "AWS_ENDPOINT_URL": url,
        "SQLATCH_LOG": dynamodb_server.create_log(url, f"log-{uuid4()}"),
        "SQLATCH_COPIES": str(copies),
    }


def aws_at(server: str, request: pytest.FixtureRequest) -> str:
    """Return the URL of a server of the session, for which the environment has credentials then."""
    monkeypatch = request.getfixturevalue("monkeypatch")
    for name, value in dynamodb_server.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    return str(request.getfixturevalue(server))


@pytest.fixture
def ask(environment: dict[str, str]) -> Ask:
    """Invoke the function this event is for; the answer as its caller reads it."""

    def ask(event: Any = None, /, **fields: Any) -> dict[str, Any]:
        answer = local.invoke(event if event is not None else fields)
        return json.loads(json.dumps(answer))

    return ask


@pytest.fixture
def refused(ask: Ask) -> Ask:
    """Invoke the function and have it refuse: the error's body."""

    def refused(event: Any = None, /, **fields: Any) -> dict[str, Any]:
        with pytest.raises(SqlatchError) as refusal:
            ask(event if event is not None else fields)
        assert type(refusal.value).code == refusal.value.code
        return refusal.value.body()

    return refused


@pytest.fixture
def stopped_time(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Time:
    """Time passes only where the service sleeps: a wait lasts no time, and no machine is slow."""
    time = Time()
    monkeypatch.setattr("handler.service.Clock", time.clock)
    forget(service)
    return time


@pytest.fixture
def frozen_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an instance knows of a log for some seconds it knows for good: no machine is slow."""
    moment = Clocks(epoch=time.time).moment()
    monkeypatch.setattr(Clocks, "moment", lambda _clocks: moment)


@pytest.fixture
def the_service(ask: Ask) -> Service:
    return service()


def dynamodb_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """A table of its own for the test, in the server of the session."""
    url = aws_at("dynamodb_url", request)
    table = f"leases-{uuid4()}"
    dynamodb_server.create_table(url, table)
    return {
        **dynamodb_server.CREDENTIALS,
        "AWS_ENDPOINT_URL": url,
        "SQLATCH_LEASES": f"dynamodb:{table}",
    }


def forget(composed: Any) -> None:
    """Close what a composed service holds open, and have the next request compose anew."""
    if composed.cache_info().currsize:
        composed().close()
    composed.cache_clear()
