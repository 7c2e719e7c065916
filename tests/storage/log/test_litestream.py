"""`litestream restore`, a program that is not ours, reads what compaction and exports write."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import BadEvent, DatabaseNotFound
from storage.engine import Freshness, Moment
from storage.log import compaction, litestream
from storage.log.archive import Archive, Start
from storage.log.cloud import InTable
from storage.log.engine import InLog
from storage.log.store import Store
from tests.grants import granted
from tests.storage.log import histories
from tests.storage.log.histories import History
from tests.storage.log.logs import OURS, add_row, fences

LITESTREAM = Path(sys.executable).with_name("litestream")

DIGEST = """
    SELECT count(*), max(id), total(length(a)), group_concat(substr(a, 1, 9)) FROM t ORDER BY id
"""


@pytest.fixture
def replica(tmp_path: Path) -> Path:
    """The directory of a database: its files are in `ltx/` there."""
    return tmp_path / "replica"


@pytest.fixture
def archive(replica: Path) -> Archive:
    return Archive(replica / "ltx")


@pytest.fixture
def history(tmp_path: Path) -> History:
    return histories.begun(tmp_path / "main.db")


def started(archive: Archive) -> Start:
    start = archive.start()
    assert start is not None
    return start


def restored(replica: Path, *options: str) -> bytes:
    copy = replica.with_name("restored.db")
    copy.unlink(missing_ok=True)
    subprocess.run(
        [LITESTREAM, "restore", "-o", copy, *options, f"file://{replica}"],
        check=True,
        capture_output=True,
    )
    with closing(apsw.Connection(str(copy))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return copy.read_bytes()


def rows(database: bytes, scratch: Path) -> list[tuple[object, ...]]:
    scratch.write_bytes(database)
    with closing(apsw.Connection(str(scratch))) as connection:
        return connection.execute(DIGEST).fetchall()


def txid(transaction: int) -> tuple[str, str]:
    return "-txid", f"{transaction:016x}"


def test_each_state_that_was_merged_is_restored(
    archive: Archive, history: History, replica: Path
) -> None:
    history.fill(300)
    compaction.merge(archive, history.records)
    history.commit("DELETE FROM t WHERE id % 7 = 0")
    history.commit("DROP INDEX t_a", "PRAGMA user_version = 3")
    compaction.merge(archive, history.records[2:])
    history.commit("VACUUM")
    compaction.merge(archive, history.records[4:])

    assert len(history.state(5)) < len(history.state(4))
    assert restored(replica) == history.state(5)
    for transaction in (2, 4, 5):
        assert restored(replica, *txid(transaction)) == history.state(transaction)


def test_a_time_is_restored(archive: Archive, history: History, replica: Path) -> None:
    history.fill(30)
    compaction.merge(archive, history.records[:1])
    compaction.merge(archive, history.records[1:])
    history.fill(30)
    compaction.merge(archive, history.records[2:])
    between = datetime.fromtimestamp(history.at_ms(2) / 1000 + 0.5, UTC)

    found = restored(replica, "-timestamp", between.isoformat().replace("+00:00", "Z"))

    assert found == history.state(2)


def test_after_a_second_snapshot_both_are_restored(
    archive: Archive, history: History, replica: Path
) -> None:
    history.fill(300)
    compaction.merge(archive, history.records)
    history.fill(300)
    compaction.merge(archive, history.records[2:])
    compaction.write_snapshot(archive, started(archive))
    history.fill(3)
    compaction.merge(archive, history.records[3:])

    assert restored(replica) == history.state(4)
    for transaction in (2, 3, 4):
        assert restored(replica, *txid(transaction)) == history.state(transaction)


def test_a_snapshot_of_a_file_is_restored(
    archive: Archive, history: History, replica: Path
) -> None:
    history.fill(300)
    compaction.write_copy(archive, history.path, last=2, at_ms=history.at_ms(2))

    assert restored(replica) == history.state(2)


@pytest.mark.parametrize("page_size", [512, 8192, 65_536])
def test_after_a_vacuum_to_another_page_size_all_states_are_restored(
    archive: Archive, history: History, replica: Path, tmp_path: Path, page_size: int
) -> None:
    history.fill(300)
    compaction.merge(archive, history.records)
    history.fill(10)
    compaction.merge(archive, history.records[2:])
    history.connection.execute(f"PRAGMA page_size = {page_size}")
    history.commit("VACUUM")
    compaction.merge(archive, history.records[3:])
    history.fill(10)
    compaction.merge(archive, history.records[4:])

    assert histories.size_of_a_page(history.state(5)) == page_size
    assert restored(replica) == history.state(5)
    for transaction in (2, 3, 4, 5):
        found = restored(replica, *txid(transaction))
        assert found == history.state(transaction)
        assert rows(found, tmp_path / "a") == rows(history.state(transaction), tmp_path / "b")


def test_overlapping_files_and_merged_levels_are_restored(
    archive: Archive, history: History, replica: Path
) -> None:
    compaction.merge(archive, history.records)
    for _ in range(compaction.FILES_OF_A_LEVEL_MAX):
        history.fill(3)
        compaction.merge(archive, history.records[-1:])
    compaction.merge_levels(archive)
    history.fill(3)
    history.fill(3)
    compaction.merge(archive, history.records[-2:-1])
    compaction.merge(archive, history.records[-2:])

    assert {file.level for file in started(archive).tail} == {1, 2}
    assert restored(replica) == history.state(history.last)


def test_what_retention_leaves_is_restored(
    archive: Archive, history: History, replica: Path
) -> None:
    compaction.merge(archive, history.records)
    for _ in range(4):
        history.fill(30)
        compaction.merge(archive, history.records[-1:])
        compaction.write_snapshot(archive, started(archive))
    later_s = history.path.stat().st_ctime + 20 * compaction.DAY_S

    archive.delete(compaction.not_kept(archive.files(), later_s))

    assert [(file.level, file.last) for file in archive.files()] == [(9, 5)]
    assert restored(replica) == history.state(5)


def test_pages_that_sqlite_never_wrote_are_restored(
    archive: Archive, history: History, replica: Path, tmp_path: Path
) -> None:
    compaction.merge(archive, history.records)
    history.commit(
        "CREATE TABLE x (a)",
        "INSERT INTO x WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
        " WHERE i < 3000) SELECT zeroblob(300) FROM n",
        "DELETE FROM x WHERE rowid > 10",
    )
    compaction.merge(archive, history.records[1:])

    assert restored(replica) == history.state(2)
    assert bytes(4096) in [
        history.state(2)[at : at + 4096] for at in range(0, len(history.state(2)), 4096)
    ]


Engine = InLog | InTable


def soon() -> float:
    return time.time() + 60


def test_each_commit_of_an_export_is_what_a_request_reads_there(
    engine: Engine, tmp_path: Path
) -> None:
    """By number and by time, over a pass of the reaper, a VACUUM and a replacement."""
    copy = tmp_path / "copy.db"
    with closing(apsw.Connection(str(copy))) as connection:
        connection.execute("CREATE TABLE t (n); INSERT INTO t VALUES (-1)")
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        moments = [_committed(store, "CREATE TABLE t (n)")]
        for step in range(3):
            moments += [_committed(store) for _commit in range(2)]
            if step == 0:
                engine.tend("main", soon())
            if step == 1:
                store.vacuum("VACUUM", granted(fence=next(fences)))
                moments.append(_moment(store))
                store.replace(copy, granted(fence=next(fences)))
                moments.append(_moment(store))
        # Litestream refuses a time behind the last commit.
        add_row(store)

        position = engine.export("main", tmp_path / "replica", soon())

        assert position == store.position
        for moment in moments:
            for options, at in _asked(moment):
                found = rows_of(restored(tmp_path / "replica", *options), tmp_path / "found.db")
                session = store.snapshot(soon(), Freshness(at=at))
                assert found == session.run("SELECT n FROM t ORDER BY rowid"), (moment, options)


def _committed(store: Store, *before: str) -> Moment:
    add_row(store, *before)
    return _moment(store)


def _moment(store: Store) -> Moment:
    """Return the position of the newest state, and a time behind it and before the next."""
    time.sleep(0.002)
    at_ms = int(time.time() * 1000)
    time.sleep(0.002)
    return Moment(store.position, at_ms)


def _asked(moment: Moment) -> Iterator[tuple[tuple[str, str], Moment]]:
    """Yield how both name it: the options of Litestream, and the moment of a request."""
    assert moment.position is not None
    yield txid(moment.position), Moment(moment.position)
    of_time = Moment(at_ms=moment.at_ms)
    yield ("-timestamp", str(of_time)), of_time


def rows_of(database: bytes, scratch: Path) -> list[tuple[object, ...]]:
    scratch.write_bytes(database)
    with closing(apsw.Connection(str(scratch))) as connection:
        return connection.execute("SELECT n FROM t ORDER BY rowid").fetchall()


def test_an_export_is_whole_or_not_there(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out" / "replica"
    target.parent.mkdir()
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        add_row(store, "CREATE TABLE t (n)")
        with monkeypatch.context() as patched:
            patched.setattr(litestream.LitestreamFiles, "start", lambda _self: None)
            with pytest.raises(DatabaseNotFound):
                engine.export("main", target, soon())
        assert list(target.parent.iterdir()) == []

        engine.export("main", target, soon())
        with pytest.raises(BadEvent, match="is not empty"):
            engine.export("main", target, soon())
    assert list(target.parent.iterdir()) == [target]


def test_an_export_begins_behind_the_last_deletion(engine: Engine, tmp_path: Path) -> None:
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        add_row(store, "CREATE TABLE t (n)")
        store.remove(granted(fence=next(fences)), lambda _state: None)
        with pytest.raises(DatabaseNotFound):
            engine.export("main", tmp_path / "replica", soon())
        add_row(store, "CREATE TABLE t (n)")
        add_row(store)

        assert engine.export("main", tmp_path / "replica", soon()) == 4

    first = min((tmp_path / "replica").rglob("*.ltx"), key=lambda path: path.name[17:])
    assert first.name == f"{1:016x}-{3:016x}.ltx"
    assert rows_of(restored(tmp_path / "replica"), tmp_path / "found.db") == [(1,), (1,)]
