"""A connection to a database in memory; a table and a bucket."""

import time
from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from storage.connection import Session
from tests.storage.log.clouds import Cloud, cloud_at

IN_MEMORY = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_MEMORY


@pytest.fixture
def session() -> Iterator[Session]:
    """A connection whose deadline is far away."""
    with closing(
        Session("main", ":memory:", flags=IN_MEMORY, now=time.time, deadline_s=time.time() + 600)
    ) as session:
        yield session


@pytest.fixture
def cloud(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """A table and a bucket: on the quick server, and where a module asks for it on moto too."""
    kind = getattr(request, "param", "quick")
    url = request.getfixturevalue("moto_url" if kind == "moto" else "cloud_url")
    return cloud_at(url, monkeypatch)
