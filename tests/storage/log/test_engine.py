"""The databases of a directory: their names, and how a new instance begins."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import BadEvent, Timeout
from storage.engine import Store, Table
from storage.log import compaction, copy_file, hydration
from storage.log.archive import Archive
from storage.log.engine import InLog
from storage.pins import Pins
from tests.grants import granted

OURS = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], InLog]:
    (tmp_path / "logs").mkdir()
    return lambda: InLog(tmp_path / "logs", tmp_path / "copies")


def used(engine: InLog) -> InLog:
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        store.exists()
    return engine


def test_names_are_those_of_logs_and_not_of_files_beside_them(
    tmp_path: Path, start: Callable[[], InLog]
) -> None:
    engine = start()
    store = engine.open("main", table=OURS, now=time.time)
    with closing(store), store.write(granted(), creates=True) as transaction:
        transaction.commit()
    (tmp_path / "logs" / "other.db").write_bytes(b"")
    (tmp_path / "logs" / ".streams").mkdir()

    assert engine.names() == ["main"]
    assert engine.sizes_bytes()["main"] > 0


def write(store: Store, *texts: str, fence: int = 1) -> None:
    with store.write(granted(fence=fence), creates=True) as transaction:
        for sql in texts:
            transaction.connection.run(sql)
        transaction.commit()


def test_a_new_instance_begins_with_a_snapshot_and_goes_on_in_the_log(
    tmp_path: Path, start: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start()
    log = tmp_path / "logs" / "main" / "log"
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        write(store, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        store.recover(granted(fence=2))
        write(store, "INSERT INTO t VALUES (2)", fence=2)
        engine.tend("main", time.time() + 60)
        store.recover(granted(fence=3))
        write(store, "INSERT INTO t VALUES (3)", fence=3)
        assert sorted(path.name for path in log.glob("*.seg")) == [
            f"{n:016x}.seg" for n in (1, 2, 3)
        ]

        monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -60)
        engine.tend("main", time.time() + 60)
        store.recover(granted(fence=4))
        write(store, "INSERT INTO t VALUES (4)", fence=4)

    assert min(path.name for path in log.glob("*.seg")) > f"{1:016x}.seg"
    with closing(start().open("main", table=OURS, now=time.time)) as new:
        assert new.snapshot(time.time() + 60).run("SELECT n FROM t") == [(1,), (2,), (3,), (4,)]
        assert new.position == 4
        write(new, "INSERT INTO t VALUES (5)", fence=5)
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        assert store.snapshot(time.time() + 60).run("SELECT count(*) FROM t") == [(5,)]


def test_who_was_left_behind_by_the_log_writes_at_once(
    start: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy begins anew between the lease and the append."""
    engine, other = start(), start()
    with (
        closing(engine.open("main", table=OURS, now=time.time)) as store,
        closing(other.open("main", table=OURS, now=time.time)) as behind,
    ):
        write(store, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert behind.snapshot(time.time() + 60).run("SELECT n FROM t") == [(1,)]
        for fence in (2, 3):
            store.recover(granted(fence=fence))
            write(store, "INSERT INTO t VALUES (2)", fence=fence)
        engine.tend("main", time.time() + 60)
        monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -60)
        engine.tend("main", time.time() + 60)

        write(behind, "INSERT INTO t VALUES (4)", fence=4)

        assert store.snapshot(time.time() + 60).run("SELECT count(*) FROM t") == [(4,)]


def test_a_snapshot_that_takes_too_long_is_told_and_nothing_is_lost(
    start: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = start()
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        write(store, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        engine.tend("main", time.time() + 60)
        write(store, "INSERT INTO t VALUES (2)")
    monkeypatch.setattr(compaction, "TAIL_BYTES_MAX", 0)
    monkeypatch.setattr(compaction, "TAIL_SHARE_MAX", 0)

    with pytest.raises(Timeout, match="give the reaper a longer timeout"):
        engine.tend("main", time.time())

    engine.tend("main", time.time() + 60)
    with closing(start().open("main", table=OURS, now=time.time)) as new:
        assert new.snapshot(time.time() + 60).run("SELECT n FROM t") == [(1,), (2,)]


def test_a_database_whose_adder_died_behind_its_log_is_there(
    tmp_path: Path, start: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy.db"
    with closing(apsw.Connection(str(copy))) as connection:
        connection.execute("PRAGMA journal_mode = WAL; CREATE TABLE t AS SELECT 7 AS n").fetchall()

    class Died(BaseException):
        pass

    def die(_self: Archive, _base: bytes) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(Archive, "adopt", die)
        with pytest.raises(Died):
            start().add("main", copy)

    with closing(start().open("main", table=OURS, now=time.time)) as store:
        assert store.exists()
        assert store.snapshot(time.time() + 60).run("SELECT n FROM t") == [(7,)]
        write(store, "INSERT INTO t VALUES (8)")
    with pytest.raises(BadEvent, match="exists"):
        start().add("main", copy)


@pytest.fixture
def large(start: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch) -> InLog:
    """A database with a snapshot that is fetched as it is asked for, and a record behind it."""
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    engine = start()
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        write(
            store,
            "CREATE TABLE t (n INTEGER PRIMARY KEY, filling)",
            "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 20000)"
            " INSERT INTO t SELECT n, hex(randomblob(100)) FROM i",
        )
        engine.tend("main", time.time() + 60)
        write(store, "UPDATE t SET filling = 'new' WHERE n = 77")
    return engine


SUM = "SELECT count(*), sum(n), max(filling) FROM t"


def test_a_new_instance_fetches_what_it_reads_and_no_more(
    tmp_path: Path, large: InLog, start: Callable[[], InLog]
) -> None:
    with closing(start().open("main", table=OURS, now=time.time)) as new:
        session = new.snapshot(time.time() + 60)
        assert session.run("SELECT filling FROM t WHERE n = 77") == [("new",)]
        (copy,) = tmp_path.glob("copies/*/*/1/main/db")
        assert copy.stat().st_blocks * 512 < copy.stat().st_size / 2
        assert session.run(SUM) == [(20_000, 200_010_000, "new")]


def test_a_copy_that_was_fetched_whole_is_read_as_any_file(
    large: InLog, start: Callable[[], InLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(start().open("main", table=OURS, now=time.time)) as new:
        fetched = new.snapshot(time.time() + 60)
        assert fetched.run(SUM) == [(20_000, 200_010_000, "new")]
        asked: list[int] = []
        monkeypatch.setattr(
            hydration._LazyFile, "xRead", lambda _file, amount, _offset: asked.append(amount)
        )

        assert new.snapshot(time.time() + 60).run(SUM) == [(20_000, 200_010_000, "new")]
        write(new, "DELETE FROM t WHERE n > 1", fence=2)
        assert new.snapshot(time.time() + 60).run(SUM)[0][0] == 1
        assert asked == []


def test_a_copy_that_is_fetched_is_written_to_and_gone_on_with(
    tmp_path: Path, large: InLog, start: Callable[[], InLog]
) -> None:
    first = start()
    with closing(first.open("main", table=OURS, now=time.time)) as new:
        write(new, "DELETE FROM t WHERE n > 19000", "UPDATE t SET filling = 'z' WHERE n = 5")
        pinned = new.pinned(Pins())
        assert pinned.snapshot(time.time() + 60).run("SELECT filling FROM t WHERE n = 5") == [
            ("z",)
        ]
        pinned.close()
    del new, pinned, first

    with closing(start().open("main", table=OURS, now=time.time)) as again:
        assert again.snapshot(time.time() + 60).run(SUM) == [(19_000, 180_509_500, "z")]
        write(again, "INSERT INTO t VALUES (30000, 'zz')")
    with closing(large.open("main", table=OURS, now=time.time)) as store:
        assert store.snapshot(time.time() + 60).run(SUM) == [(19_001, 180_539_500, "zz")]
        assert store.snapshot(time.time() + 60).run("PRAGMA integrity_check") == [("ok",)]


def test_a_copy_whose_snapshot_is_gone_begins_anew(
    tmp_path: Path, large: InLog, start: Callable[[], InLog]
) -> None:
    first = start()
    with closing(first.open("main", table=OURS, now=time.time)) as new:
        assert new.snapshot(time.time() + 60).run("SELECT filling FROM t WHERE n = 77") == [
            ("new",)
        ]
    (snapshot,) = (tmp_path / "logs" / "main" / "ltx" / "9").iterdir()
    snapshot.unlink()
    del new, first

    with closing(start().open("main", table=OURS, now=time.time)) as again:
        assert again.snapshot(time.time() + 60).run(SUM) == [(20_000, 200_010_000, "new")]
