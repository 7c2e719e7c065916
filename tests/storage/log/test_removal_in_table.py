"""A log in DynamoDB and S3 that is deleted, with lost answers and a bucket that is tidied."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import BadEvent
from storage.log import compaction, replacement
from storage.log.bucket_archive import BucketArchive
from storage.log.cloud import InTable
from storage.log.slots import Slot
from storage.log.store import Store
from storage.translate import Overtaken
from tests.storage.log.clouds import Cloud
from tests.storage.log.test_whole_in_table import copy_of, granted, opened, texts

DAY_S = 86_400

Start = Callable[[], InTable]


@pytest.fixture
def start(cloud: Cloud, tmp_path: Path) -> Start:
    return lambda: InTable(cloud.table, cloud.objects, Slot("cloud", tmp_path / "copies"))


@pytest.fixture
def engine(start: Start) -> InTable:
    return start()


@pytest.fixture
def store(engine: InTable, tmp_path: Path) -> Iterator[Store]:
    engine.add("main", copy_of(tmp_path / "old.db", "old", rows=40))
    with closing(opened(engine)) as store:
        yield store


def remove(store: Store) -> str:
    return store.remove(granted(), lambda _state: None)


def test_a_state_that_only_lay_ready_is_kept_when_the_bucket_is_tidied(
    cloud: Cloud, store: Store, engine: InTable
) -> None:
    """Its snapshot had no name of its own yet."""
    kept = remove(store)
    engine.tend("main", time.time() + 60)
    archive = BucketArchive(cloud.objects, "main")
    compaction.compact(archive, time.time() + 2 * DAY_S)

    store.bring_back(kept, granted())

    assert texts(store) == [("old", 40)]


def test_a_commit_that_was_first_is_seen_by_the_next_try_of_the_deletion(
    store: Store, start: Start
) -> None:
    other, tried = start(), list[str]()

    def write_once(state: str) -> None:
        tried.append(state)
        if len(tried) == 1:
            with closing(opened(other)) as first, first.write(granted()) as transaction:
                transaction.connection.run("DELETE FROM t WHERE n = 1")
                transaction.commit()

    with pytest.raises(Overtaken):
        store.remove(granted(), write_once)
    assert texts(store) == [("old", 39)]
    kept = store.remove(granted(), write_once)

    assert tried[0] != tried[1]
    with closing(opened(other)) as again:
        again.bring_back(kept, granted())
        assert texts(again) == [("old", 39)]


@pytest.mark.parametrize("fault", ["request", "answer", "late"])
def test_a_deletion_whose_answer_is_lost_is_made_once(
    fault: str, cloud: Cloud, store: Store, start: Start
) -> None:
    cloud.calls.faults["PutItem"] = [fault]

    kept = remove(store)

    assert start().names() == []
    with closing(opened(start())) as other:
        assert not other.exists()
        other.bring_back(kept, granted())
        assert texts(other) == texts(store) == [("old", 40)]


def test_of_two_that_delete_at_once_the_second_finds_nothing(store: Store, start: Start) -> None:
    other = start()

    def remove_before(_state: str) -> None:
        with closing(opened(other)) as first:
            remove(first)

    with pytest.raises(Overtaken):
        store.remove(granted(), remove_before)

    assert start().names() == []


@pytest.mark.parametrize("after", ["newest", "lay_ready"])
def test_a_file_and_a_writer_that_take_the_free_name_at_once_are_not_mixed(
    store: Store,
    engine: InTable,
    start: Start,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    after: str,
) -> None:
    remove(store)
    owner: Any = {"newest": engine._names, "lay_ready": replacement}[after]
    step, other = getattr(owner, after), start()

    def write_behind(*arguments: Any, **options: Any) -> Any:
        found = step(*arguments, **options)
        with closing(opened(other)) as first, first.write(granted(), creates=True) as transaction:
            transaction.connection.run("CREATE TABLE t (n, text)")
            transaction.commit()
        return found

    with monkeypatch.context() as patch:
        patch.setattr(owner, after, write_behind)
        with pytest.raises(BadEvent, match="exists"):
            engine.add("main", copy_of(tmp_path / "new.db", "new", rows=7))
    assert texts(store) == []
    with closing(opened(start())) as late:
        assert texts(late) == []


def test_a_pass_of_the_reaper_over_deleted_logs_asks_for_their_names_once(
    cloud: Cloud, store: Store, engine: InTable
) -> None:
    remove(store)
    assert engine.forget_deleted(0) == 0
    assert engine.names() == []
    cloud.calls.counts.clear()

    engine.forget_deleted(60)

    assert cloud.calls.counts == {"Query": 1}
