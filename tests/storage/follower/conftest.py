"""A leader whose databases are logs in a directory, and a node that follows it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.follower.engine import Follower, follower
from storage.log.engine import InLog
from tests.storage.follower.leaders import Leader, copies_of, leading


@pytest.fixture
def leader(tmp_path: Path) -> Iterator[Leader]:
    logs = tmp_path / "logs"
    logs.mkdir()
    with leading(InLog(logs, copies_of(tmp_path, "leader"))) as leader:
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
