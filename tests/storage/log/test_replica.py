"""A copy that may be read is a prefix of the log, whatever happened to the process before."""

import os
import sqlite3
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, StorageError
from storage.engine import Table
from storage.log import directory, following
from storage.log.archive import Archive
from storage.log.bookmark import Bookmark
from storage.log.engine import InLog
from storage.log.replica import Replica
from storage.log.store import Store
from storage.work import Work
from tests.grants import granted
from tests.journal import leave_in_mid_commit
from tests.storage.log.logs import fences, log_in, newest

OURS = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")
DEADLINE_S = 60.0
BIG = (
    "CREATE TABLE big (n, filling)",
    "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 1000)"
    " INSERT INTO big SELECT 0, hex(zeroblob(200)) FROM i",
)


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path


@pytest.fixture
def other(logs: Path, tmp_path: Path) -> Iterator[Store]:
    """The same database at another instance."""
    engine = InLog(logs, tmp_path / "others")
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        write(store, *BIG)
        yield store


@pytest.fixture
def start(logs: Path, tmp_path: Path) -> Callable[[], Replica]:
    """Start a process that finds what the one before left in its slot."""
    directory = tmp_path / "slot" / "main"
    directory.parent.mkdir()
    return lambda: Replica(
        "main",
        directory,
        lambda place, log_id: log_in(logs / "main" / "log", place, database_id=log_id),
        Archive(logs / "main" / "ltx"),
        now=time.time,
        work=Work(),
    )


def write(store: Store, *texts: str) -> None:
    with store.write(granted(fence=next(fences)), creates=True) as transaction:
        for sql in texts:
            transaction.connection.run(sql)
        transaction.commit()


def rows(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT sum(n), count(*) FROM big").fetchall()


def test_the_next_process_goes_on_where_the_copy_stands(
    other: Store, start: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    start().catch_up(DEADLINE_S)
    write(other, "UPDATE big SET n = 1 WHERE rowid = 1")
    applied: list[int] = []
    put = Replica._put
    monkeypatch.setattr(
        Replica, "_put", lambda self, record: applied.append(record.txid) or put(self, record)
    )

    replica = start()
    replica.catch_up(DEADLINE_S)

    assert (applied, replica.txid) == ([2], 2)
    assert rows(replica.file.path) == [(1, 1000)]


def test_a_copy_that_a_killed_process_left_torn_is_not_opened_before_it_is_applied(
    other: Store, start: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    start().catch_up(DEADLINE_S)
    write(other, "UPDATE big SET n = 1")
    killed = start()
    pages = iter(range(3))

    class Killed(BaseException):
        pass

    pwrite = os.pwrite

    def killed_in_the_middle(*arguments: Any) -> int:
        if next(pages, None) is None:
            raise Killed
        return pwrite(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", killed_in_the_middle)
        with pytest.raises(Killed):
            killed.catch_up(DEADLINE_S)
    assert not Bookmark(killed.file.path.with_name("pos")).is_clean

    opened: list[object] = []
    connection = apsw.Connection

    with monkeypatch.context() as patch:
        patch.setattr(apsw, "Connection", lambda *a, **n: opened.append(a) or connection(*a, **n))
        replica = start()
        replica.catch_up(DEADLINE_S)
        assert opened == []

    assert rows(replica.file.path) == [(1000, 1000)]


def test_a_commit_that_a_killed_process_left_half_done_is_rolled_back(
    other: Store, start: Callable[[], Replica]
) -> None:
    start().catch_up(DEADLINE_S)
    leave_in_mid_commit(start().file.path, "UPDATE big SET n = 7")

    replica = start()
    assert rows(replica.file.path) == [(0, 1000)]
    replica.catch_up(DEADLINE_S)
    assert replica.txid == 1


@pytest.mark.parametrize("what", ["pos", "db"])
def test_a_copy_without_its_bookmark_or_file_begins_anew(
    other: Store, start: Callable[[], Replica], what: str
) -> None:
    before = start()
    before.catch_up(DEADLINE_S)
    before.file.path.with_name(what).unlink()

    replica = start()
    assert replica.txid == 0
    replica.catch_up(DEADLINE_S)
    assert rows(replica.file.path) == [(0, 1000)]


def test_a_copy_of_a_log_that_was_removed_begins_anew(
    logs: Path, other: Store, start: Callable[[], Replica], tmp_path: Path
) -> None:
    start().catch_up(DEADLINE_S)
    (logs / "main").rename(tmp_path / "away")
    again = InLog(logs, tmp_path / "third").open("main", table=OURS, now=time.time)
    write(again, "CREATE TABLE big (n)", "INSERT INTO big VALUES (5)")

    replica = start()
    replica.catch_up(DEADLINE_S)
    assert rows(replica.file.path) == [(5, 1)]


def test_a_reader_that_holds_a_state_is_waited_for_and_nothing_is_lost(
    other: Store, start: Callable[[], Replica]
) -> None:
    replica = start()
    replica.catch_up(DEADLINE_S)
    replica.connect()
    with closing(apsw.Connection(str(replica.file.path))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM big").fetchone()
        write(other, "UPDATE big SET n = 1 WHERE rowid = 1")

        with pytest.raises(DatabaseBusy, match="keeps an earlier state open"):
            replica.catch_up(time.time() + 0.05)
        assert reader.execute("SELECT sum(n) FROM big").fetchall() == [(0,)]

    replica.catch_up(time.time() + DEADLINE_S)
    assert rows(replica.file.path) == [(1, 1000)]


def test_a_full_disk_is_told_and_the_copy_begins_anew(
    other: Store, start: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = start()
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", no_space)
        with pytest.raises(StorageError, match="No space"):
            replica.catch_up(DEADLINE_S)

    assert replica.generation == 0, "nobody has it open"
    replica.catch_up(DEADLINE_S)
    assert rows(replica.file.path) == [(0, 1000)]


def no_space(*_arguments: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_record_that_is_no_transaction_is_told(
    logs: Path, other: Store, start: Callable[[], Replica]
) -> None:
    root = logs / "main" / "log"
    log = log_in(root)
    log.ready(DEADLINE_S, fence=next(fences), seal=False)
    log.append(b"0123456789abcdef", b"not an LTX file")
    assert newest(root).exists()

    with pytest.raises(DatabaseCorrupt, match="LTX"):
        start().catch_up(DEADLINE_S)


def test_a_copy_at_rest_has_no_file_open(other: Store, start: Callable[[], Replica]) -> None:
    replica = start()
    replica.catch_up(DEADLINE_S)
    replica.connect()
    replica.rest()
    assert replica.file.descriptor >= 0

    replica.disconnect()
    replica.rest()
    assert replica.file.descriptor == -1
    write(other, "UPDATE big SET n = 1")
    replica.catch_up(DEADLINE_S)
    assert rows(replica.file.path) == [(1000, 1000)]


def test_who_is_far_behind_has_a_piece_of_the_log_in_memory(
    other: Store, start: Callable[[], Replica], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory, "CAP_BYTES", 1 << 18)
    monkeypatch.setattr(following, "PIECE_BYTES", 1 << 20)
    for _number in range(25):
        write(other, "UPDATE big SET n = n + 1, filling = hex(randomblob(200))")
    replica = start()

    tracemalloc.start()
    try:
        replica.catch_up(DEADLINE_S)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert rows(replica.file.path) == [(25_000, 1000)]
    assert peak_bytes < 4 << 20, "the log has three times that"
