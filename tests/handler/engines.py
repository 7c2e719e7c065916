"""The engines, for tests of the handler that run on each: files, and logs of two kinds."""

from pathlib import Path
from uuid import uuid4

import pytest

from tests.dynamodb_server import CREDENTIALS, create_log

ENGINES = ("inplace", "log", "table")


@pytest.fixture(params=ENGINES)
def engine(
    request: pytest.FixtureRequest, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """The engine that the service of a test is composed with."""
    engine = str(request.param)
    directory: Path = request.getfixturevalue("directory")
    for name in ("SQLATCH_DATABASES", "SQLATCH_LOG"):
        monkeypatch.delenv(name, raising=False)
    variables = variables_of(engine, directory.parent, request, monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return engine


def variables_of(
    engine: str, place: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """Return the settings of databases in a place, where two directories are made if need be."""
    directory, copies = place / "databases", place / "copies"
    directory.mkdir(exist_ok=True)
    if engine == "inplace":
        return {"SQLATCH_DATABASES": str(directory)}
    copies.mkdir(exist_ok=True)
    log = f"directory:{directory}"
    if engine == "table":
        url = request.getfixturevalue("cloud_url")
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
            monkeypatch.setenv(name, value)
        log = create_log(url, f"log-{uuid4()}")
    return {"SQLATCH_LOG": log, "SQLATCH_COPIES": str(copies)}
