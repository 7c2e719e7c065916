"""The contract of removal: a database is deleted in one state, kept, and brought back."""
# ruff: noqa: F811

import time
from contextlib import suppress
from pathlib import Path

import pytest

from sqlatch.kernel.errors import BadEvent, LeaseLost, StorageError
from storage.engine import Store
from storage.translate import DatabaseReplaced, Overtaken, RecoveryNeeded
from tests.storage.test_contract import (  # noqa: F401 - fixtures among them
    COUNT,
    TABLE,
    Cloud,
    Ended,
    Files,
    Kind,
    Logs,
    Memory,
    cloud,
    ended,
    granted,
    kind,
    opened,
    other,
    plain,
    read,
    state,
    store,
    write,
)


def ignored(_state: str) -> None:
    pass


def test_a_database_that_was_removed_is_kept_and_comes_back(
    kind: Kind, store: Store, other: Store
) -> None:
    write(store, TABLE, "INSERT INTO t VALUES (1)")
    assert read(other, COUNT) == [(1,)]

    kept = store.remove(granted(), ignored)

    assert not store.exists(at_once=True)
    with suppress(DatabaseReplaced):
        read(other, COUNT)
    assert not other.exists(at_once=True)
    assert kind.instance().names() == []
    with pytest.raises(DatabaseReplaced), store.write(granted()):
        pass
    store.bring_back(kept, granted())
    other.recover(granted())
    assert read(other, "SELECT n FROM t") == [(1,)]
    write(other, "INSERT INTO t VALUES (2)")
    assert read(store, COUNT) == [(2,)]
    with pytest.raises(BadEvent):
        store.bring_back(kept, granted())


def test_a_database_is_removed_only_in_the_state_that_is_wanted_and_with_the_right_to(
    store: Store, other: Store
) -> None:
    write(store, TABLE)
    seen = state(store)
    states: list[str] = []

    def refuse(state: str) -> None:
        states.append(state)
        raise Ended

    with pytest.raises(Ended):
        store.remove(granted(), refuse)
    with pytest.raises(Ended):
        store.remove(granted(ended), ignored)

    assert states == [seen]
    write(other, "INSERT INTO t VALUES (1)")
    assert read(store, COUNT) == read(other, COUNT) == [(1,)]


def test_another_database_may_take_the_name_of_one_that_was_removed(
    kind: Kind, store: Store, other: Store
) -> None:
    write(store, TABLE)
    before = state(store)
    kept = store.remove(granted(), ignored)
    with suppress(DatabaseReplaced):
        write(other, TABLE)
    store.close()
    other.close()

    assert write(store, "CREATE TABLE IF NOT EXISTS t (n UNIQUE)", "INSERT INTO t VALUES (7)")
    assert read(other, "SELECT n FROM t") == [(7,)]
    assert state(store) != before
    with pytest.raises(BadEvent):
        store.bring_back(kept, granted())
    kind.instance().forget_deleted(time.time() + 3600)
    assert read(other, "SELECT n FROM t") == [(7,)]


def test_what_is_kept_is_forgotten_in_its_time_and_what_was_brought_back_is_not(
    kind: Kind, store: Store, other: Store
) -> None:
    write(store, TABLE, "INSERT INTO t VALUES (1)")
    reaper = kind.instance()
    kept = store.remove(granted(), ignored)
    assert reaper.forget_deleted(time.time() - 3600) == 0

    store.bring_back(kept, granted())
    assert reaper.forget_deleted(time.time() + 3600) == 0
    other.recover(granted())
    assert read(other, "SELECT n FROM t") == [(1,)]

    kept = store.remove(granted(), ignored)
    assert reaper.forget_deleted(time.time() + 3600) == 1
    assert reaper.forget_deleted(time.time() + 3600) == 0
    with pytest.raises(BadEvent):
        store.bring_back(kept, granted())


def test_a_database_comes_back_under_another_name_with_all_of_it(kind: Kind, store: Store) -> None:
    for n in range(3):
        write(store, "CREATE TABLE IF NOT EXISTS t (n UNIQUE)", f"INSERT INTO t VALUES ({n})")
    kept = store.remove(granted(), ignored)

    with opened(kind, "second") as second:
        second.bring_back(kept, granted())
        second.recover(granted())
        assert read(second, COUNT) == [(3,)]
        write(second, "INSERT INTO t VALUES (3)")
    assert kind.instance().names() == ["second"]


def test_a_file_may_take_the_name_of_a_database_that_was_removed(
    kind: Kind, store: Store, other: Store, tmp_path: Path
) -> None:
    write(store, TABLE, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")
    assert read(other, COUNT) == [(2,)]
    kept = store.remove(granted(), ignored)

    copy = plain(tmp_path)
    kind.instance().add("main", copy)

    with suppress(RecoveryNeeded, DatabaseReplaced):
        read(other, COUNT)
    other.recover(granted())
    assert read(other, COUNT) == [(3,)]
    write(other, "INSERT INTO t VALUES (10)")
    assert read(store, COUNT) == [(4,)]
    with pytest.raises(BadEvent):
        kind.instance().add("main", copy)
    with pytest.raises(BadEvent):
        store.bring_back(kept, granted())


def test_a_commit_that_comes_between_the_check_and_the_deletion_is_not_lost(
    kind: Kind, store: Store, other: Store
) -> None:
    """Where one may write without the right, as a holder that was frozen does."""
    write(store, TABLE)
    grant = granted()

    def write_meanwhile(_state: str) -> None:
        if not isinstance(kind, Files | Memory):  # there it waits for a lock, or nobody checks
            write(other, "INSERT INTO t VALUES (1)", grant=grant)

    with suppress(LeaseLost, Overtaken, StorageError):
        store.remove(grant, write_meanwhile)
        assert isinstance(kind, Files | Memory)
        return

    assert read(store, COUNT) == read(other, COUNT) == [(1,)]
