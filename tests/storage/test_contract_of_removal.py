"""The contract of removal: a database is deleted in one state, kept, and brought back."""
# ruff: noqa: F811

import time
from contextlib import suppress

import pytest

from sqlatch.kernel.errors import BadEvent
from storage.engine import Store
from storage.translate import DatabaseReplaced
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
    other,
    read,
    state,
    store,
    write,
)


@pytest.mark.parametrize("kind", [Logs, Cloud], indirect=True)
def test_a_log_is_not_removed_and_goes_on(kind: Kind, store: Store) -> None:
    write(store, TABLE)

    for remove in (
        lambda: store.remove(granted(), ignored),
        lambda: store.bring_back("a", granted()),
    ):
        with pytest.raises(BadEvent):
            remove()

    assert read(store, COUNT) == [(0,)]
    assert kind.instance().forget_deleted(time.time()) == 0


REMOVES = pytest.mark.parametrize("kind", [Files, Memory], indirect=True)


def ignored(_state: str) -> None:
    pass


@REMOVES
def test_a_database_that_was_removed_is_kept_and_comes_back(
    kind: Kind, store: Store, other: Store
) -> None:
    write(store, TABLE, "INSERT INTO t VALUES (1)")
    assert read(other, COUNT) == [(1,)]

    kept = store.remove(granted(), ignored)

    assert not store.exists(at_once=True)
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


@REMOVES
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


@REMOVES
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
    assert kind.instance().forget_deleted(time.time() + 3600) == 1
