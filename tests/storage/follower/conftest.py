"""A leader whose databases are logs, of each kind, and a node that follows it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from storage.follower.engine import Follower, follower
from storage.log.cloud import InTable
from storage.log.engine import InLog
from storage.log.slots import Slot
from tests.storage.follower.leaders import Leader, copies_of, leading

if TYPE_CHECKING:
    from tests.storage.log.clouds import Cloud


@pytest.fixture(params=["directory", "table"])
def leader(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Leader]:
    copies = copies_of(tmp_path, "leader")
    engine: InLog | InTable
    if request.param == "directory":
        logs = tmp_path / "logs"
        logs.mkdir()
        engine = InLog(logs, copies)
    else:
        cloud: Cloud = request.getfixturevalue("cloud")
        engine = InTable(cloud.table, cloud.objects, Slot("cloud", copies))
    with leading(engine) as leader:
        yield leader


@pytest.fixture
def node(leader: Leader, tmp_path: Path) -> Iterator[Follower]:
    with closing(follower([leader.url], "", copies_of(tmp_path, "node"), max_age_s=0.0)) as node:
        yield node


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path / "main" / "log"
