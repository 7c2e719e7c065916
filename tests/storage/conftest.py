"""A connection to a database in memory, for what needs no file."""

import time
from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from storage.connection import Session

IN_MEMORY = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_MEMORY


@pytest.fixture
def session() -> Iterator[Session]:
    """A connection whose deadline is far away."""
    with closing(
        Session("main", ":memory:", flags=IN_MEMORY, now=time.time, deadline_s=time.time() + 600)
    ) as session:
        yield session
