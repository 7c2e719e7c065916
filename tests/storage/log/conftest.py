"""Directories for logs, and a database in one at two instances."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.log.cloud import InTable
from storage.log.engine import InLog
from storage.log.slots import Slot
from storage.log.store import Store
from tests.grants import granted
from tests.storage.log.logs import OURS, fences


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path / "main" / "log"


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Iterator[Store]:
    with closing(InLog(logs, tmp_path / "copies").open("main", table=OURS, now=time.time)) as store:
        with store.write(granted(fence=next(fences)), creates=True) as transaction:
            transaction.connection.run("CREATE TABLE t (n)")
            transaction.commit()
        yield store


@pytest.fixture
def other(logs: Path, tmp_path: Path) -> Iterator[Store]:
    with closing(InLog(logs, tmp_path / "copies").open("main", table=OURS, now=time.time)) as store:
        yield store


@pytest.fixture(params=["directory", "table"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> InLog | InTable:
    """An engine on logs, of each kind."""
    copies = tmp_path / "copies"
    if request.param == "directory":
        return InLog(request.getfixturevalue("logs"), copies)
    cloud = request.getfixturevalue("cloud")
    return InTable(cloud.table, cloud.objects, Slot("cloud", copies))
