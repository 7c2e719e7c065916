"""The engine of logs in DynamoDB and S3."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, cast

import pytest

from sqlatch.kernel.errors import BadEvent, StorageError
from storage.engine import Grant
from storage.log import compaction, marks
from storage.log.cloud import InTable, in_table
from storage.log.dynamodb import INLINE_BYTES_MAX, DynamoLog
from storage.log.names import NAMES
from storage.log.slots import Slot
from storage.log.store import Store
from storage.pins import Pins
from storage.translate import DatabaseReplaced, Overtaken
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import OURS

Start = Callable[[], InTable]

numbers = count()


@pytest.fixture
def start(cloud: Cloud, tmp_path: Path) -> Start:
    return lambda: InTable(cloud.table, cloud.objects, Slot("cloud", tmp_path / "copies"))


@pytest.fixture
def store(start: Start) -> Iterator[Store]:
    with opened(start()) as store:
        write(store, "CREATE TABLE t (n)")
        yield store


@pytest.fixture
def other(store: Store, start: Start) -> Iterator[Store]:
    with opened(start()) as other:
        yield other


def opened(engine: InTable, name: str = "main") -> closing[Store]:
    return closing(engine.open(name, table=OURS, now=time.time))


def granted(within_s: float = 10.0) -> Grant:
    return Grant(time.time() + within_s, fence=0, check=lambda: None, optimistic=True)


def write(store: Store, sql: str, *, within_s: float = 10.0) -> int:
    with store.write(granted(within_s), creates=True) as transaction:
        transaction.connection.run(sql)
        return transaction.commit()


def read(store: Store) -> list[Any]:
    return [n for (n,) in store.snapshot(time.time() + 10).run("SELECT n FROM t")]


def test_of_two_writers_on_one_state_the_second_is_overtaken(
    frozen_clocks: None, store: Store, other: Store
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    write(other, "INSERT INTO t VALUES (2)")

    with pytest.raises(Overtaken):
        write(store, "INSERT INTO t VALUES (3)")
    write(store, "INSERT INTO t VALUES (4)")

    assert read(store) == read(other) == [1, 2, 4]


def test_of_two_that_create_a_database_alike_the_second_is_overtaken(start: Start) -> None:
    """Their first pages are equal in all that SQLite looks at to see whether a file has changed."""
    create = "CREATE TABLE IF NOT EXISTS t (n)"
    with opened(start(), "new") as first, opened(start(), "new") as second:
        with second.write(granted(), creates=True) as late:
            late.connection.run(create)
            write(first, create)
            with pytest.raises(Overtaken):
                late.commit()
        write(second, create)
        write(second, "INSERT INTO t VALUES (1)")

        assert read(first) == read(second) == [1]


def test_a_replacement_is_seen_though_its_first_page_has_the_counters_of_the_one_before(
    tmp_path: Path, store: Store, other: Store
) -> None:
    """By these SQLite tells whether what it has cached is still there."""
    for n in (1, 2):
        copy = tmp_path / f"{n}.db"
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute(f"CREATE TABLE t AS SELECT {n} AS n")
            connection.commit()
        store.replace(copy, granted())

        assert read(store) == read(other) == [n]
    write(other, "INSERT INTO t VALUES (3)")
    assert read(store) == read(other) == [2, 3]


def test_a_replacement_has_its_own_position_though_another_commit_is_behind_it(
    tmp_path: Path, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    copy = tmp_path / "copy.db"
    store.copy_out(copy, time.time() + 10)
    replace = DynamoLog.replace

    def overtaken(self: DynamoLog, base: bytes) -> None:
        replace(self, base)
        write(other, "INSERT INTO t VALUES (2)")

    monkeypatch.setattr(DynamoLog, "replace", overtaken)

    assert store.replace(copy, granted()) == 3
    assert read(store) == [1, 2]


def test_a_replacement_that_is_in_the_log_is_told_so_though_nothing_answers_behind_it(
    cloud: Cloud, tmp_path: Path, store: Store, other: Store
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    copy = tmp_path / "copy.db"
    store.copy_out(copy, time.time() + 10)
    write(other, "INSERT INTO t VALUES (2)")
    cloud.calls.faults["Query"] = ["", "", *["request"] * 1_000]

    assert store.replace(copy, granted(within_s=2.0)) == 4
    cloud.calls.faults.clear()
    assert read(store) == read(other) == [1]


def test_an_append_whose_answer_was_lost_is_a_success(
    cloud: Cloud, store: Store, other: Store
) -> None:
    cloud.calls.faults["PutItem"] = ["answer"]

    assert write(store, "INSERT INTO t VALUES (1)") == 2

    assert read(store) == read(other) == [1]


def test_an_append_of_unknown_outcome_is_told_as_that(
    cloud: Cloud, store: Store, other: Store
) -> None:
    cloud.calls.faults["PutItem"] = ["late", *["request"] * 1_000]

    with pytest.raises(StorageError) as unknown:
        write(store, "INSERT INTO t VALUES (1)", within_s=0.1)

    assert unknown.value.outcome == "unknown"
    assert read(other) == []
    cloud.calls.land()
    cloud.calls.faults.clear()
    assert read(other) == read(store) == [1]


@pytest.mark.parametrize(
    ("faults", "outcome"), [(["late", "refused"], "unknown"), (2 * ["refused"], "nothing")]
)
def test_an_append_that_is_refused_is_of_unknown_outcome_only_if_it_was_sent_before(
    cloud: Cloud, store: Store, faults: list[str], outcome: str
) -> None:
    cloud.calls.faults["PutItem"] = faults

    with pytest.raises(StorageError, match="AccessDeniedException: not allowed") as refused:
        write(store, "INSERT INTO t VALUES (1)")

    assert refused.value.outcome == outcome
    cloud.calls.land()
    assert read(store) == ([1] if outcome == "unknown" else [])


def test_a_transaction_that_is_answered_before_its_commit_asks_first(
    cloud: Cloud, store: Store, other: Store
) -> None:
    with closing(Pins()) as pins, closing(store.pinned(pins)) as pinned:
        pins.pin(0, b"seed")
        write(other, "INSERT INTO t VALUES (1)")

        with pinned.write(granted()) as transaction:
            assert transaction.connection.run("SELECT n FROM t") == [(1,)]


def remake(cloud: Cloud) -> None:
    """Empty table and bucket, as those that were deleted and made again."""
    for key in ("main", NAMES):
        for item in cloud.table.behind(key, -1):
            cloud.table.delete(key, cast("int", item["sk"]))
    for found in cloud.objects.list():
        cloud.objects.delete(found.key)


def test_a_process_with_a_copy_sees_a_table_that_was_made_again(
    cloud: Cloud, store: Store, other: Store, start: Start
) -> None:
    for n in range(3):
        write(store, f"INSERT INTO t VALUES ({n})")
    assert read(other) == read(store) == [0, 1, 2]
    remake(cloud)

    with pytest.raises(DatabaseReplaced):
        read(other)
    with opened(start()) as first:
        write(first, "CREATE TABLE t (n)")
        write(first, "INSERT INTO t VALUES (9)")
    assert read(other) == [9]

    write(other, "INSERT INTO t VALUES (10)")
    with opened(start()) as new:
        assert read(new) == read(other) == read(store) == [9, 10]


def test_a_write_that_no_question_preceded_is_not_lost_in_a_table_that_was_made_again(
    cloud: Cloud, store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    read(store)
    remake(cloud)
    monkeypatch.setattr(marks, "SURE_S", 0.0)  # it took longer

    with pytest.raises(DatabaseReplaced), store.write(granted()):
        """There is nothing to write to."""
    assert start().names() == []


def test_a_bucket_of_a_table_that_was_deleted_is_told(
    cloud: Cloud, store: Store, start: Start
) -> None:
    """Else a new process would answer with its snapshot."""
    write(store, "INSERT INTO t VALUES (1)")
    start().tend("main", time.time() + 60)
    for item in cloud.table.behind("main", -1):
        cloud.table.delete("main", cast("int", item["sk"]))

    for each in (store, start().open("main", table=OURS, now=time.time)):
        with closing(each), pytest.raises(StorageError, match="files of the bucket"):
            read(each)


def test_a_vacuum_on_an_old_state_is_overtaken(
    frozen_clocks: None, store: Store, other: Store
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    write(other, "INSERT INTO t VALUES (2)")

    with pytest.raises(Overtaken):
        store.vacuum("VACUUM", granted())
    store.vacuum("VACUUM", granted())
    assert read(other) == [1, 2]


def test_replacements_with_pages_of_other_sizes_are_followed_one_after_the_other(
    tmp_path: Path, store: Store, other: Store
) -> None:
    """The connection that holds the lock of a copy knows nothing of the pages before either."""
    for n, page_size in enumerate((4096, 4096, 512, 1024)):
        copy = tmp_path / f"{n}.db"
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute(f"PRAGMA page_size = {page_size}")
            connection.execute(f"CREATE TABLE t AS SELECT {n} AS n")
        (store, other)[n % 2].replace(copy, granted())

    assert read(store) == [3]
    write(store, "INSERT INTO t VALUES (4)")

    assert read(store) == read(other) == [3, 4]


@pytest.mark.parametrize("size_bytes", [100, 2 * INLINE_BYTES_MAX])
def test_a_database_is_added_once_though_an_answer_is_lost(
    cloud: Cloud, start: Start, tmp_path: Path, size_bytes: int
) -> None:
    for name in ("one", "two"):
        with closing(sqlite3.connect(tmp_path / name)) as connection:
            connection.execute("CREATE TABLE t (n)")
            connection.execute("INSERT INTO t VALUES (?)", (name,))
            connection.execute("CREATE TABLE u AS SELECT zeroblob(?)", (size_bytes,))
            connection.commit()
    cloud.calls.faults["PutItem"] = ["", "answer"]

    start().add("main", tmp_path / "one")
    with pytest.raises(BadEvent):
        start().add("main", tmp_path / "two")

    with opened(start()) as store:
        assert [n for (n,) in store.snapshot(time.time() + 10).run("SELECT n FROM t")] == ["one"]
        write(store, "DELETE FROM t")
    assert start().names() == ["main"]
    assert start().sizes_bytes()["main"] > size_bytes // 100


def test_a_name_is_taken_by_a_database_whose_first_records_were_removed(
    start: Start, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shorten(start(), store, monkeypatch)
    copy = tmp_path / "copy.db"
    store.copy_out(copy, time.time() + 10)

    with pytest.raises(BadEvent, match="exists"):
        start().add("main", copy)


def test_a_copy_that_begins_with_the_newest_state_goes_on_in_the_same_log(
    start: Start, store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the others would take its record for one of another log, and their copies for wrong."""
    shorten(start(), store, monkeypatch)
    assert read(other) == [1, 2]
    log = store._replica.log.database_id

    with opened(start()) as new:
        assert read(new) == [1, 2]
        write(new, "INSERT INTO t VALUES (3)")
        assert read(other) == read(store) == [1, 2, 3]
        assert {each._replica.log.database_id for each in (store, other, new)} == {log}


def shorten(engine: InTable, store: Store, patch: pytest.MonkeyPatch) -> None:
    """Write to a database, and have a snapshot in place of all its records but the newest."""
    for n in (1, 2):
        write(store, f"INSERT INTO t VALUES ({n})")
    patch.setattr(compaction, "RECORDS_KEPT_S", -60)
    engine.tend("main", time.time() + 10)


def test_a_table_and_a_bucket_elsewhere_have_copies_of_their_own(tmp_path: Path) -> None:
    engines = [in_table("table", "bucket", prefix, tmp_path) for prefix in ("a/", "b/")]

    assert len({engine._slot.path.parent for engine in engines}) == 2
