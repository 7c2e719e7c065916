"""`litestream restore`, a program that is not ours, reads what compaction writes."""

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import apsw
import pytest

from storage.log import compaction
from storage.log.archive import Archive, Start
from tests.storage.log import histories
from tests.storage.log.histories import History

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
