"""The contract of a log, held against each place where one may lie."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.log.directory import DirectoryLog
from storage.log.dynamodb import DynamoLog
from storage.log.log import BEGINNING, Conflict, Gone, InDoubt, Log, Place, Record
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import ID, OTHER_ID, contents, fences

Instance = Callable[..., Log]


@pytest.fixture(params=["directory", "dynamodb"])
def instance(request: pytest.FixtureRequest, root: Path) -> Instance:
    """A function that returns the log as another instance knows it, at a place."""
    if request.param == "directory":
        return lambda at=BEGINNING, **more: DirectoryLog(root, at=at, now=time.time, **more)
    cloud = request.getfixturevalue("cloud")
    assert isinstance(cloud, Cloud)

    def in_table(at: Place = BEGINNING, **more: Any) -> Log:
        return DynamoLog("main", cloud.table, cloud.objects, at=at, now=time.time, **more)

    return in_table


def soon() -> float:
    return time.time() + 10


def commit(log: Log, *values: bytes) -> None:
    """Take the lease over, if there is one, and append."""
    log.ready(soon(), fence=next(fences), seal=True)
    for value in values:
        log.append(ID, value)


def everything(instance: Instance) -> list[tuple[int, bytes]]:
    return contents(instance().sync(soon()))


def test_what_is_appended_is_read_by_others_in_order(instance: Instance) -> None:
    writer, reader = instance(), instance()

    commit(writer, b"one", b"two")
    first = reader.sync(soon())
    commit(writer, b"three" * 100_000)

    assert contents(first) == [(1, b"one"), (2, b"two")]
    assert first[1].commit_id == ID
    assert contents(reader.sync(soon())) == [(3, b"three" * 100_000)]
    assert reader.sync(soon()) == []
    assert reader.place == writer.place
    assert reader.database_id == writer.database_id
    assert reader.database_id is not None


def test_a_log_that_is_not_there_has_no_records(instance: Instance) -> None:
    log = instance()

    assert log.sync(soon()) == []
    assert log.place == BEGINNING
    assert log.database_id is None
    log.close()
    assert everything(instance) == []


def test_reading_goes_on_from_any_place(instance: Instance) -> None:
    writer = instance()
    commit(writer, b"one", b"two")
    commit(writer, b"three", b"four")
    whole = instance().sync(soon())

    for number, record in enumerate(whole, 1):
        assert instance(record.end).sync(soon()) == whole[number:]
        assert instance(Place(0, 0, record.txid)).sync(soon()) == whole[number:]


def test_writers_take_turns(instance: Instance) -> None:
    one, two = instance(), instance()

    for number in range(4):
        commit(one, b"one %d" % number)
        commit(two, b"two %d" % number)

    assert [content for _txid, content in everything(instance)] == [
        b"%b %d" % (name, number) for number in range(4) for name in (b"one", b"two")
    ]


def refusal(log: Log, commit_id: bytes, content: bytes) -> list[Record]:
    """Append what must be refused, and return the records that are known by then."""
    txid = log.place.txid + 1
    try:
        log.append(commit_id, content)
    except Conflict as conflict:
        return conflict.records
    except InDoubt:
        is_there, records = log.outcome(txid, commit_id, soon())
        assert not is_there
        return records
    raise AssertionError("it was appended")


def test_of_two_that_append_to_one_state_the_second_is_refused(instance: Instance) -> None:
    frozen, other = instance(), instance()
    commit(frozen, b"one")
    commit(other, b"two", b"three")

    records = refusal(frozen, OTHER_ID, b"late")
    records += frozen.sync(soon())

    assert contents(records) == [(2, b"two"), (3, b"three")]
    commit(frozen, b"four")
    assert everything(instance) == [(1, b"one"), (2, b"two"), (3, b"three"), (4, b"four")]


def test_the_first_record_of_two_is_refused(instance: Instance) -> None:
    one, two = instance(), instance()
    one.ready(soon(), fence=next(fences), seal=False)
    commit(two, b"first")

    assert contents(refusal(one, OTHER_ID, b"late") + one.sync(soon())) == [(1, b"first")]
    assert one.database_id == two.database_id


def test_a_copy_of_another_log_begins_anew(instance: Instance) -> None:
    commit(instance(), b"one", b"two")

    with pytest.raises(Gone):
        instance(Place(1, 0, 1), database_id=OTHER_ID).sync(soon())
