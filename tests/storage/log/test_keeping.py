"""The last state of a database, kept in the files of its log before something takes its place."""

import time
from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log import keeping
from storage.log.engine import ARCHIVE, InLog
from storage.log.keeping import keep_state, state_at
from storage.log.store import Store
from tests.storage.log.logs import OURS, add_row


@pytest.fixture
def store(logs: Path, tmp_path: Path) -> Store:
    store = InLog(logs, tmp_path / "copies").open("main", table=OURS, now=time.time)
    add_row(store, "CREATE TABLE t (n)")
    add_row(store)
    return store


def test_the_files_lead_up_to_the_last_state(store: Store, logs: Path) -> None:
    for rows in (2, 3):
        keep_state(store._replica, time.time() + 60, for_days=True)
        assert state_at(store._replica.archive, rows) is not None
        keep_state(store._replica, time.time() + 60, for_days=True)
        add_row(store)

    packs = sorted((logs / "main" / ARCHIVE / "history").iterdir())
    assert [path.name[17:50] for path in packs] == [
        f"{1:016x}-{2:016x}", f"{3:016x}-{3:016x}",
    ]  # fmt: skip


def test_commits_that_need_not_be_kept_are_not(store: Store, logs: Path) -> None:
    store._replica.archive.history_s = 0

    keep_state(store._replica, time.time() + 60, for_days=True)

    assert state_at(store._replica.archive, 2) is not None
    assert not (logs / "main" / ARCHIVE / "history").exists()


def test_a_state_that_is_not_in_the_files_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "take_in_all", lambda *_arguments: None)

    with pytest.raises(StorageError, match="could not be kept"):
        keep_state(store._replica, time.time() + 60, for_days=False)
