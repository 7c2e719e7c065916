"""Connections to a copy are counted by it, and leave no file system behind when they fail."""

import time
from pathlib import Path

import apsw
import pytest

from storage.log import connections
from storage.log.engine import InLog
from storage.pins import Pins
from storage.translate import WriteRefused
from tests.grants import granted
from tests.storage.log.logs import OURS


def test_a_connection_that_cannot_be_opened_leaves_no_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "logs").mkdir()
    engine = InLog(tmp_path / "logs", tmp_path / "copies")
    store = engine.open("main", table=OURS, now=time.time)
    with store.write(granted(), creates=True) as transaction:
        transaction.commit()
    store.close()
    replica, names = store._replica, apsw.vfs_names()

    def fail(*_arguments: object, **_options: object) -> None:
        raise WriteRefused("planted")

    monkeypatch.setattr(connections, "Session", fail)
    for _time in range(2):
        with pytest.raises(WriteRefused):
            connections.writer(replica, now=time.time, deadline_s=time.time() + 60, pins=Pins())

    assert apsw.vfs_names() == names
    assert replica._connections == 0
