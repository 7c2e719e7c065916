"""Instances for each test: on a directory and a lease table of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import dynamodb_environment
from tests.e2e.artifact import CLIENT, SDK, built, link_runtime
from tests.e2e.emulator import Instance, Pool

Start = Callable[..., Instance]


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with what Lambda's own runtime has: its client, and the AWS SDK."""
    return link_runtime(tmp_path_factory.mktemp("runtime") / "packages", *CLIENT, *SDK)


@pytest.fixture(scope="session")
def runtime_without_sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return link_runtime(tmp_path_factory.mktemp("runtime") / "packages", *CLIENT)


@pytest.fixture
def settings(request: pytest.FixtureRequest, directory: Path) -> dict[str, str]:
    """The environment of the functions, as the template sets it."""
    return {
        "SQLATCH_DATABASES": str(directory),
        "AWS_LAMBDA_FUNCTION_NAME": "sqlatch-query",
        **dynamodb_environment(request),
    }


@pytest.fixture
def start(settings: dict[str, str], runtime: Path, tmp_path: Path) -> Iterator[Start]:
    """Start an instance; it ends with the test."""
    with ExitStack() as instances:

        def start(function: str = "QueryFunction", **options: Any) -> Instance:
            log_file = tmp_path / f"{len(list(tmp_path.glob('*.log')))}.log"
            log_file.touch()
            given: dict[str, Any] = {
                "environment": settings,
                "runtime": runtime,
                "log_file": log_file,
            }
            return instances.enter_context(Instance(built(function), **(given | options)))

        yield start


@pytest.fixture
def instance(start: Start) -> Instance:
    return start()


@pytest.fixture
def pool(settings: dict[str, str], runtime: Path, tmp_path: Path) -> Iterator[Pool]:
    """Eight instances, each of them warm."""
    artifact = built("QueryFunction")
    logs = [tmp_path / f"pool-{number}.log" for number in range(8)]
    with Pool([Instance(artifact, settings, runtime, log) for log in logs]) as pool:
        for instance in pool.instances:
            instance.invoke({"health": True})
        yield pool
