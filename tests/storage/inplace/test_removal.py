"""A file that is deleted while others have it open, or whose deleter dies in the middle."""

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from storage.inplace import removal
from storage.inplace.engine import InPlace
from storage.inplace.files import Files
from storage.inplace.store import Store
from storage.translate import DatabaseReplaced
from tests.storage.test_contract import COUNT, OURS, TABLE, granted, read, write
from tests.storage.test_contract_of_removal import ignored


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(opened(tmp_path)) as store:
        write(store, TABLE)
        yield store


def opened(directory: Path) -> Store:
    return InPlace(directory).open("main", table=OURS, now=time.time)


@pytest.fixture
def stale(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """Another instance, whose NFS client shows the name as it was when it opened the file."""
    files = Files(tmp_path)
    identity = files.identity("main")
    with closing(Store("main", files, table=OURS, now=time.time)) as stale:
        write(stale, "INSERT INTO t VALUES (1)")
        monkeypatch.setattr(files, "identity", lambda _name: identity)
        yield stale


def test_who_does_not_see_yet_that_the_file_is_gone_cannot_write_to_it(
    store: Store, stale: Store, tmp_path: Path
) -> None:
    """SQLite asks for the name too, and an NFS client would answer it from its memory."""
    kept = store.remove(granted(), ignored)
    os.link(tmp_path / ".deleted" / f"{kept}.db", tmp_path / "main.db")

    with pytest.raises(DatabaseReplaced):
        write(stale, "INSERT INTO t VALUES (2)")
    with pytest.raises(DatabaseReplaced):
        stale.vacuum("VACUUM", granted())

    (tmp_path / "main.db").unlink()
    store.bring_back(kept, granted())
    store.recover(granted())
    assert read(store, "SELECT n FROM t") == [(1,)]


def test_without_the_mark_what_is_written_late_would_be_lost(
    store: Store, stale: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal, "check_not_marked", lambda _session: None)
    kept = store.remove(granted(), ignored)
    os.link(tmp_path / ".deleted" / f"{kept}.db", tmp_path / "main.db")

    write(stale, "INSERT INTO t VALUES (2)")


class Died(BaseException):
    """The process was killed."""


@pytest.mark.parametrize("dies_at", ["move_away", "_sync"])
def test_a_deletion_that_died_in_the_middle_is_ended_by_the_next(
    dies_at: str, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_arguments: object) -> str:
        raise Died

    with monkeypatch.context() as patched:
        patched.setattr(removal, dies_at, die)
        with pytest.raises(Died):
            store.remove(granted(), ignored)

    with closing(opened(tmp_path)) as another:
        is_there = another.exists(at_once=True)
        assert is_there == (dies_at == "move_away")
        if is_there:
            assert read(another, COUNT) == [(0,)]
            with pytest.raises(DatabaseReplaced):
                write(another, "INSERT INTO t VALUES (1)")
            another.remove(granted(), never)
        assert not another.exists(at_once=True)
    assert len(list((tmp_path / ".deleted").glob("*.db"))) == 1


def never(_state: str) -> None:
    raise AssertionError("what is marked was decided before")


def test_only_what_is_kept_for_long_enough_is_forgotten(store: Store, tmp_path: Path) -> None:
    kept = store.remove(granted(), ignored)
    stranger = tmp_path / ".deleted" / "mine.db"
    stranger.write_bytes(b"")
    engine = InPlace(tmp_path)

    assert engine.forget_deleted(time.time() - 3600) == 0
    assert (tmp_path / ".deleted" / f"{kept}.db").exists()
    assert engine.forget_deleted(time.time() + 3600) == 1
    assert [path.name for path in (tmp_path / ".deleted").iterdir()] == ["mine.db"]
    assert engine.names() == []
