"""The files of streams in a table: calls, lost answers, and a reaper in the middle of its work."""

import os
import re
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from events import fields
from hrana import items
from hrana.files import KEY_BYTES, LOG, LOG_KEPT_S, TEXTS
from hrana.items import StreamItems
from hrana.table import Call, Table
from sqlatch.kernel.aws.dynamodb import DynamoDB
from sqlatch.kernel.aws.errors import ConditionFailed
from sqlatch.kernel.errors import StorageError
from tests.dynamodb_server import CREDENTIALS, create_log
from tests.storage.log.clouds import Faulty

NAME = str(fields.DATABASE["pattern"]).replace(r"\z", r"\Z")


def later_s() -> float:
    """Return a time at which a log of now is no longer kept."""
    return time.time() + LOG_KEPT_S + 1_000


@pytest.fixture
def calls(moto_url: str, monkeypatch: pytest.MonkeyPatch) -> Faulty:
    for variable, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": moto_url}.items():
        monkeypatch.setenv(variable, value)
    return Faulty()


@pytest.fixture
def table(calls: Faulty, moto_url: str) -> Table:
    name = f"streams-{uuid4()}"
    create_log(moto_url, name)
    return Table(name, calls, sleep=lambda _seconds: None)


@pytest.fixture
def files(table: Table) -> StreamItems:
    return StreamItems(table)


def all_items(table: Table) -> list[dict[str, Any]]:
    client = DynamoDB()
    found = client.scan(TableName=table.name)["Items"]
    client.close()
    return found


def then(calls: Faulty, operation: str, at: int, act: Callable[[], object]) -> Call:
    """Return the calls, with something that another does behind one of them."""
    times = 0

    def call(asked: str, request: dict[str, Any]) -> dict[str, Any]:
        nonlocal times
        answer = calls(asked, request)
        times += asked == operation
        if asked == operation and times == at:
            act()
        return answer

    return call


def test_what_each_thing_costs_in_calls(files: StreamItems, calls: Faulty) -> None:
    costs = {}

    def noted(name: str, answer: Any) -> Any:
        costs[name] = dict(calls.counts)
        calls.counts.clear()
        return answer

    noted("first key", files.key())
    noted("key", files.key())
    log = noted("put", files.put(LOG, b"one"))
    large = noted("put of 700 kB", files.put(TEXTS, os.urandom(700_000)))
    noted("put of 5 MB", files.put(TEXTS, os.urandom(5_000_000)))
    noted("append", files.append(log, 3, b"two"))
    noted("append that is too late", files.append(log, 3, b"2!"))
    noted("touch", files.touch(large))
    noted("get", files.get(log, 6))
    noted("get of 700 kB", files.get(large))
    noted("clear of nothing", files.clear(time.time()))
    noted("clear of one", files.clear(later_s()))

    put, query = {"TransactWriteItems": 1}, {"Query": 1}
    assert costs == {
        "first key": {"GetItem": 2, "PutItem": 1},
        "key": {"GetItem": 1},
        "put": put,
        "put of 700 kB": put,
        "put of 5 MB": {"TransactWriteItems": 2},
        "append": put,
        "append that is too late": put,
        "touch": {"UpdateItem": 1},
        "get": query,
        "get of 700 kB": query,
        "clear of nothing": query,
        "clear of one": {"Query": 2, "TransactWriteItems": 1},
    }


def test_no_item_is_one_of_a_database_and_only_the_key_stays(
    files: StreamItems, table: Table
) -> None:
    files.key()
    files.put(LOG, b"one")
    files.put(TEXTS, os.urandom(400_000))

    kept = {item["pk"]["S"] for item in all_items(table)}
    assert len(kept) == 4
    assert not any(re.match(NAME, pk) for pk in kept)
    assert files.clear(2e10) == 2
    assert [item["pk"]["S"] for item in all_items(table)] == [items.KEY]


def test_a_write_whose_answer_is_lost_is_done_once(files: StreamItems, calls: Faulty) -> None:
    calls.faults["TransactWriteItems"] = ["answer"]
    name = files.put(LOG, b"one")
    calls.faults["TransactWriteItems"] = ["request"]
    assert files.append(name, 3, b"two")
    calls.faults["TransactWriteItems"] = ["answer"]
    assert not files.append(name, 6, b"three"), "whose it is was lost too"

    assert files.get(name, 6) == b"onetwo"
    assert files.clear(later_s()) == 1


def test_a_key_whose_answer_is_lost_is_the_key(files: StreamItems, calls: Faulty) -> None:
    calls.faults["PutItem"] = ["answer"]

    assert files.key() == files.key()
    assert len(files.key()) == KEY_BYTES


def test_a_key_that_another_makes_meanwhile_is_the_key(
    files: StreamItems, calls: Faulty, table: Table
) -> None:
    others: list[bytes] = []
    meanwhile = then(calls, "GetItem", 1, lambda: others.append(files.key()))

    assert [StreamItems(Table(table.name, meanwhile)).key()] == others
    assert [files.key()] == others


def test_a_write_that_lands_after_the_file_was_cleared_changes_nothing(
    files: StreamItems, calls: Faulty, table: Table
) -> None:
    name = files.put(LOG, b"one")
    calls.faults["TransactWriteItems"] = ["late"] * 3
    with pytest.raises(StorageError):
        files.append(name, 3, b"two")
    assert files.clear(later_s()) == 1

    with pytest.raises(ConditionFailed):
        calls.land()
    assert all_items(table) == []


def test_a_file_that_is_added_to_while_it_is_removed_stays(
    files: StreamItems, calls: Faulty, table: Table
) -> None:
    name = StreamItems(table, now=lambda: 1_000.0).put(LOG, b"one")
    meanwhile = then(calls, "Query", 2, lambda: files.append(name, 3, b"two"))

    assert StreamItems(Table(table.name, meanwhile)).clear(time.time()) == 0
    assert files.get(name) == b"onetwo"


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "PART_BYTES", 10)
    monkeypatch.setattr(items, "PARTS_MAX", 2)


@pytest.mark.usefixtures("small_parts")
def test_a_file_that_is_half_removed_is_gone_and_the_next_run_removes_the_rest(
    files: StreamItems, calls: Faulty, table: Table
) -> None:
    name = files.put(LOG, bytes(70))
    calls.faults["TransactWriteItems"] = ["", *["request"] * 3]
    with pytest.raises(StorageError):
        files.clear(later_s())

    files.touch(name)
    assert not files.append(name, 70, b"more")
    assert (files.get(name), files.get(name, 70)) == (None, None)

    assert files.clear(later_s()) == 1
    assert all_items(table) == []


@pytest.mark.usefixtures("small_parts")
def test_a_file_that_is_half_written_is_none_and_is_cleared(
    files: StreamItems, calls: Faulty, table: Table
) -> None:
    calls.faults["TransactWriteItems"] = ["", *["request"] * 3]
    with pytest.raises(StorageError):
        files.put(TEXTS, bytes(70))
    (name,) = {item["name"]["S"] for item in all_items(table) if "name" in item}
    assert files.get(name) is None

    assert files.clear(2e10) == 1
    assert all_items(table) == []


@pytest.mark.usefixtures("small_parts")
def test_a_file_that_is_cleared_while_it_is_written_is_a_storage_error(
    files: StreamItems, calls: Faulty, table: Table
) -> None:
    meanwhile = then(calls, "TransactWriteItems", 1, lambda: files.clear(2e10))

    with pytest.raises(StorageError, match="was cleared while it was written: send the request"):
        StreamItems(Table(table.name, meanwhile)).put(LOG, bytes(70))
    assert all_items(table) == []


def test_one_run_clears_a_number_of_files_and_the_next_one_goes_on(
    files: StreamItems, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(items, "CLEARED_MAX", 2)
    for _number in range(5):
        files.put(LOG, b"one")

    assert [files.clear(later_s()) for _run in range(4)] == [2, 2, 1, 0]


def test_an_error_tells_neither_the_key_nor_a_name(files: StreamItems, calls: Faulty) -> None:
    secrets = [files.key().hex(), files.put(LOG, b"one")]
    calls.faults["TransactWriteItems"] = ["request"] * 3

    with pytest.raises(StorageError) as failed:
        files.append(secrets[1], 3, b"two")

    told = f"{failed.value!r} {failed.value.body()}"
    assert "the request one" in told
    assert not any(secret in told for secret in secrets)
