"""A connection that cannot be set up is not left open."""

import time
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import DatabaseCorrupt
from storage.connection import Session


def test_a_connection_that_fails_while_it_is_set_up_is_closed_at_once(tmp_path: Path) -> None:
    (tmp_path / "main.db").write_bytes(b"no database" * 1000)
    open_before = set(apsw.connections())

    with pytest.raises(DatabaseCorrupt) as refusal:
        Session(
            "main",
            tmp_path / "main.db",
            flags=apsw.SQLITE_OPEN_READWRITE,
            now=time.time,
            deadline_s=time.time() + 1,
        )

    assert refusal.tb is not None
    assert set(apsw.connections()) == open_before
