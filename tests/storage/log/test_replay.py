"""A Litestream replica becomes the history of a new database, on each engine."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import BadEvent, DatabaseCorrupt, StorageError
from storage.engine import Freshness, Grant, Moment, Position
from storage.log import ltx
from storage.log.cloud import InTable
from storage.log.engine import InLog
from tests.grants import granted
from tests.storage.log.logs import OURS, add_row, fences

LITESTREAM = Path(sys.executable).with_name("litestream")

Engine = InLog | InTable


@contextmanager
def lease(_deadline_s: float) -> Iterator[Grant]:
    yield granted(fence=next(fences))


def soon() -> float:
    return time.time() + 60


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A replica that Litestream has made of an application's database, of 1 to 5 rows."""
    home = tmp_path_factory.mktemp("application")
    with closing(apsw.Connection(str(home / "app.db"))) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("CREATE TABLE t (n, text)")
        for n in range(1, 6):
            # Pages that are new and free again, which SQLite does not write.
            connection.execute("CREATE TABLE x (a)")
            connection.execute("INSERT INTO x VALUES (zeroblob(90000))")
            connection.execute(
                "BEGIN; DROP TABLE x; INSERT INTO t VALUES (?, 'text'); COMMIT", (n,)
            )
            subprocess.run(
                [LITESTREAM, "replicate", "-once", home / "app.db", f"file://{home / 'replica'}"],
                check=True,
                capture_output=True,
            )
    return home / "replica"


@pytest.fixture
def replica(replicated: Path, tmp_path: Path) -> Path:
    return shutil.copytree(replicated, tmp_path / "replica")


def rows_at(engine: Engine, moment: Moment) -> object:
    with closing(engine.open("app", table=OURS, now=time.time)) as store:
        session = store.snapshot(soon(), Freshness(at=moment))
        assert session.run("PRAGMA integrity_check") == [("ok",)]
        return session.run("SELECT n FROM t ORDER BY n")


def rows(count: int) -> list[tuple[int]]:
    return [(n + 1,) for n in range(count)]


def test_each_state_of_an_application_is_read_by_its_position_and_its_time(
    engine: Engine, replica: Path
) -> None:
    files = sorted(replica.rglob("ltx/0/*.ltx"))
    at_ms = [ltx.header_of(file.read_bytes()).at_ms for file in files]

    assert engine.replay("app", replica, lease) == len(files) >= 5

    for _reaped in range(2):
        commits = engine.history("app", before=None, most=100, deadline_s=soon())
        assert [commit.at_ms for commit in commits][::-1][1:] == at_ms[1:]
        states = [rows_at(engine, Moment(commit.position)) for commit in commits]
        assert [states.count(rows(count)) > 0 for count in range(1, 6)] == [True] * 5
        assert rows_at(engine, Moment(at_ms=at_ms[-1])) == rows(5)
        assert rows_at(engine, Moment(at_ms=at_ms[1] - 1)) == rows(1)
        engine.tend("app", soon())


def test_what_was_imported_is_written_to(engine: Engine, replica: Path, tmp_path: Path) -> None:
    position = engine.replay("app", replica, lease)

    with closing(engine.open("app", table=OURS, now=time.time)) as store:
        add_row(store, "DELETE FROM t", "ALTER TABLE t DROP COLUMN text")
        assert store.position == position + 1
    with pytest.raises(BadEvent, match="exists"):
        engine.replay("app", replica, lease)


def test_an_export_is_imported_state_by_state(engine: Engine, tmp_path: Path) -> None:
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        add_row(store, "CREATE TABLE t (n)")
        for _commit in range(3):
            add_row(store)
    engine.export("main", tmp_path / "out", soon())

    assert engine.replay("app", tmp_path / "out", lease) == 4

    of_both = [
        [(commit.position, commit.at_ms) for commit in found]
        for name in ("main", "app")
        if (found := engine.history(name, before=None, most=9, deadline_s=soon()))
    ]
    assert of_both[0][:-1] == of_both[1][:-1]


def test_over_a_gap_the_next_snapshot_is_taken(engine: Engine, tmp_path: Path) -> None:
    with closing(engine.open("main", table=OURS, now=time.time)) as store:
        add_row(store, "CREATE TABLE t (n)")
        add_row(store)
        engine.tend("main", soon())
        add_row(store)
        copy = tmp_path / "copy.db"
        store.copy_out(copy, soon())
        store.replace(copy, granted(fence=next(fences)))
        add_row(store)
    engine.export("main", tmp_path / "out", soon())
    (tmp_path / "out" / "ltx" / "0" / f"{3:016x}-{3:016x}.ltx").unlink()
    for left in (tmp_path / "out" / "ltx" / "1").glob(f"*-{3:016x}.ltx"):
        left.unlink()

    position = engine.replay("app", tmp_path / "out", lease)

    found = engine.history("app", before=None, most=9, deadline_s=soon())
    counts = [len(rows_of(engine, commit.position)) for commit in found]
    assert (position, counts[0], counts[1]) == (found[0].position, 4, 3)
    assert 3 not in counts[2:]


def rows_of(engine: Engine, position: Position) -> list[object]:
    found = rows_at(engine, Moment(position))
    assert isinstance(found, list)
    return found


def test_an_import_that_is_not_alone_ends(engine: Engine, replica: Path) -> None:
    @contextmanager
    def behind_another(_deadline_s: float) -> Iterator[Grant]:
        with closing(engine.open("app", table=OURS, now=time.time)) as store:
            add_row(store, "DROP TABLE t", "CREATE TABLE t (n)")
        yield granted(fence=next(fences))

    with pytest.raises(StorageError, match="another has written to it; delete it"):
        engine.replay("app", replica, behind_another)

    assert rows_of(engine, Position(2)) == [(1,)]


def test_what_is_no_replica_is_refused(engine: Engine, replica: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadEvent, match="is no Litestream replica"):
        engine.replay("app", tmp_path / "empty", lease)
    damaged = max(replica.rglob("ltx/0/*.ltx"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"x")
    with pytest.raises(DatabaseCorrupt, match="checksum"):
        engine.replay("app", replica, lease)
