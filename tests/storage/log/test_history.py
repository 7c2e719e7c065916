"""The states of a database that can be read, and the memory that what leads to them takes."""

import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel.errors import BadEvent
from storage.engine import Freshness, Moment, Position
from storage.log import following, history
from storage.log.engine import InLog
from storage.log.history import History
from tests.grants import granted
from tests.storage.log.logs import OURS, fences

COMMITS = 32
COMMIT_BYTES = 1 << 20
MEMORY_BYTES_MAX = 20 << 20
"""A piece, and what is read of a segment of the log at once, which has 4 MB."""


def test_memory_is_that_of_a_piece_however_far_a_moment_is_from_a_snapshot(
    logs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (following, history):
        monkeypatch.setattr(module, "PIECE_BYTES", COMMIT_BYTES)
    engine = InLog(logs, tmp_path / "copies")
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        for number in range(COMMITS):
            with store.write(granted(fence=next(fences)), creates=True) as transaction:
                if not number:
                    transaction.connection.run("CREATE TABLE t (a)")
                transaction.connection.run("INSERT INTO t VALUES (randomblob(1000000))")
                transaction.commit()
        moment = Moment(Position(COMMITS - 1))

        tracemalloc.start()
        try:
            session = store.snapshot(time.time() + 60, Freshness(at=moment))
            assert session.run("SELECT count(*) FROM t") == [(COMMITS - 1,)]
            engine.branch("main", "new", moment, time.time() + 60)
            assert len(engine.history("main", before=None, most=99, deadline_s=time.time() + 60))
            peak_bytes = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

        assert peak_bytes < MEMORY_BYTES_MAX
        with pytest.raises(BadEvent, match="only what leads to"):
            History(store._replica).piece(COMMITS, COMMITS + 1, time.time() + 60)
