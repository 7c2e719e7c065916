"""uid() in SQL: ids that grow in a database, whoever draws them, by whatever clock."""
# ruff: noqa: F811

import random
import time
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sqlatch import uid
from sqlatch.kernel.errors import StatementError
from storage import uids
from storage.engine import Store, WriteTransaction
from tests.storage.test_contract import (  # noqa: F401 - fixtures among them
    OURS,
    Cloud,
    Ended,
    Files,
    Kind,
    Logs,
    cloud,
    ended,
    granted,
    in_a_minute,
    kind,
    other,
    store,
)

TABLE = "CREATE TABLE ids (n INTEGER PRIMARY KEY, id INT NOT NULL DEFAULT (uid()))"
INSERT = "INSERT INTO ids DEFAULT VALUES RETURNING id"
NOW_MS = uids.EPOCH_MS + 86_400_000
IDS = st.integers(0, (1 << 62) - 1)


@given(last=IDS, now_ms=st.integers(0, uids.EPOCH_MS + (1 << 39)))
def test_the_next_id_is_greater_not_before_its_time_and_of_the_service(
    last: int, now_ms: int
) -> None:
    found = uids.behind(last, now_ms)

    assert found > last
    assert found >> uids.COUNT_BITS & uids.NODE == uids.NODE
    assert uid.time_ms(found) >= max(now_ms, uid.EPOCH_MS)
    assert uid.time_ms(found) <= max(now_ms, uid.EPOCH_MS, uid.time_ms(last) + 1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=50))
def test_ids_grow_while_a_clock_steps_to_and_fro(clock: list[int]) -> None:
    ids = [0]
    for now_ms in clock:
        for _more in range(700):
            ids.append(uids.behind(ids[-1], NOW_MS + now_ms))

    assert sorted(set(ids)) == ids


def test_the_last_id_of_all_is_followed_by_none() -> None:
    assert uids.behind((1 << 63) - 2, 0) == (1 << 63) - 1
    with pytest.raises(StatementError, match="2094"):
        uids.behind((1 << 63) - 1, 0)


def user(transaction: WriteTransaction, sql: str) -> list[Any]:
    with transaction.connection.user(sql) as cursor:
        return cursor.execute(sql).fetchall()


def draw(store: Store, count: int = 1, *, commits: bool = True) -> list[int]:
    with store.write(granted(), creates=True) as transaction:
        with suppress(StatementError):
            user(transaction, TABLE)
        ids = [id for _each in range(count) for (id,) in user(transaction, INSERT)]
        if commits:
            transaction.commit()
    return ids


def test_instances_whose_clocks_differ_draw_ids_in_the_order_of_their_commits(kind: Kind) -> None:
    chance = random.Random(1)

    def stepping() -> float:
        return time.time() - chance.choice([0, 0.001, 60, 86_400])

    engines = [kind.instance(), kind.instance()]
    stores = [engine.open("main", table=OURS, now=stepping) for engine in engines]
    with closing(stores[0]), closing(stores[1]):
        drawn: list[int] = []
        for number in range(12):
            draw(stores[number % 2], commits=False)
            drawn += draw(stores[number % 2], 3)
        kept = stores[0].snapshot(in_a_minute()).run("SELECT id FROM ids ORDER BY n")

    assert [id for (id,) in kept] == drawn == sorted(set(drawn))


def test_what_was_not_committed_may_be_drawn_again_and_then_is_somebody_else_s(
    store: Store, other: Store
) -> None:
    (first,) = draw(store)
    with suppress(Ended), store.write(granted(ended)) as transaction:
        user(transaction, INSERT)
        transaction.commit()

    second, third = *draw(other), *draw(store)

    assert first < second < third


@pytest.mark.parametrize("kind", [Files, Logs, Cloud], indirect=True)
def test_a_statement_that_reads_draws_none(store: Store) -> None:
    draw(store)

    with (
        pytest.raises(StatementError, match="RETURNING"),
        store.snapshot(in_a_minute()).user() as cursor,
    ):
        cursor.execute("SELECT uid()").fetchall()


def test_who_draws_no_id_keeps_none_and_a_rowid_is_not_that_of_the_kept_one(store: Store) -> None:
    with store.write(granted(), creates=True) as transaction:
        user(transaction, "CREATE TABLE t (n)")
        transaction.commit()
    with store.write(granted()) as transaction:
        assert not transaction.connection.connection.table_exists("main", uids.TABLE)
        user(transaction, "INSERT INTO t (rowid, n) VALUES (77, uid())")
        transaction.commit()

    with store.write(granted()) as transaction:
        assert user(transaction, "SELECT last_insert_rowid() IN (0, 77)") == [(1,)]


def test_a_savepoint_that_is_rolled_back_gives_no_id_twice(store: Store) -> None:
    draw(store)
    with store.write(granted()) as transaction:
        transaction.connection.run("SAVEPOINT one")
        ((gone,),) = user(transaction, INSERT)
        transaction.connection.finish("ROLLBACK TO one")
        ((there,),) = user(transaction, INSERT)
        transaction.commit()

    assert gone < there < draw(store)[0]


def test_a_trigger_on_the_table_of_a_file_that_was_brought_in_is_not_run(store: Store) -> None:
    draw(store)
    with store.write(granted()) as transaction:
        transaction.connection.run(
            "CREATE TRIGGER planted AFTER INSERT ON sqlatch_uid BEGIN DELETE FROM ids; END"
        )
        transaction.commit()

    draw(store)

    assert store.snapshot(in_a_minute()).run("SELECT count(*) FROM ids") == [(2,)]
