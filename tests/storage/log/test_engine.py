"""Each process of a machine has a slot of its own, and takes what a dead one left in its slot."""

import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.engine import Table
from storage.log.engine import InLog
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


def slots(tmp_path: Path) -> list[str]:
    return sorted(path.parent.name for path in tmp_path.glob("copies/*/*/*/main"))


def test_no_two_processes_share_a_copy(tmp_path: Path, start: Callable[[], InLog]) -> None:
    first, second = used(start()), used(start())
    assert slots(tmp_path) == ["0", "1"]

    del first
    third = used(start())

    assert slots(tmp_path) == ["0", "1"]
    del second, third


def test_logs_of_another_directory_have_slots_of_their_own(
    tmp_path: Path, start: Callable[[], InLog]
) -> None:
    (tmp_path / "others").mkdir()
    first, second = used(start()), used(InLog(tmp_path / "others", tmp_path / "copies"))

    assert slots(tmp_path) == ["0", "0"]
    del first, second


def test_a_directory_of_copies_that_cannot_be_used_is_told(
    tmp_path: Path, start: Callable[[], InLog]
) -> None:
    (tmp_path / "copies").write_text("a file")

    with pytest.raises(StorageError, match="directory of the copies"):
        used(start())


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
