"""`sqlatch databases`, `create`, `delete`, `undelete`, `rename`: nothing is lost by them."""

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from sqlatch.client import Client, connect
from sqlatch.command.copy import Copy
from sqlatch.errors import DatabaseNotFound
from tests.command.conftest import Sqlatch

pytestmark = pytest.mark.usefixtures("token")


@pytest.fixture
def name(url: str) -> str:
    """The database of the test, which is not there yet."""
    return url.rpartition("/")[2]


@pytest.fixture
def filled(url: str) -> Iterator[Client]:
    with connect(url, token=os.environ["SQLATCH_TOKEN"]) as client:
        client.batch([
            "CREATE TABLE t (n INTEGER PRIMARY KEY, next REFERENCES t)",
            "INSERT INTO t VALUES (1, NULL), (2, 1)",
        ])  # fmt: skip
        yield client


def listed(sqlatch: Sqlatch) -> list[str]:
    lines = sqlatch("databases", "-o", "jsonl").out.splitlines()
    return [json.loads(line)["name"] for line in lines]


def rows(client: Client, name: str) -> list[Any]:
    with connect(f"{os.environ['SQLATCH_URL'].rpartition('/')[0]}/{name}") as there:
        return there.query("SELECT * FROM t ORDER BY n").rows


def test_a_database_is_created_empty_and_once(sqlatch: Sqlatch, name: str) -> None:
    assert sqlatch("create", name).code == 0

    assert name in listed(sqlatch)
    again = sqlatch("create", name)
    assert (again.code, "exists" in again.err) == (3, True)
    assert sqlatch("create", "Not A Name").code == 3


def test_a_database_is_deleted_when_it_was_asked_and_comes_back(
    sqlatch: Sqlatch, filled: Client, name: str
) -> None:
    refused = sqlatch("delete", name, given="n\n")
    assert (refused.code, "which has 1 tables" in refused.err) == (130, True)
    assert name in listed(sqlatch)

    deleted = sqlatch("delete", name, given="y\n")

    assert deleted.code == 0
    assert name not in listed(sqlatch)
    with pytest.raises(DatabaseNotFound):
        filled.query("SELECT 1 FROM t")
    command = deleted.out.partition("sqlatch ")[2].split()
    assert command[:2] == ["undelete", name]
    assert sqlatch(*command).code == 0
    assert rows(filled, name) == [(1, None), (2, 1)]
    assert sqlatch(*command).code == 3
    assert sqlatch("undelete", name, "../../main").code == 3


def test_what_is_not_there_is_not_deleted(sqlatch: Sqlatch, name: str) -> None:
    for arguments in (["delete", name], ["delete", "--yes", name], ["rename", name, f"{name}-b"]):
        ended = sqlatch(*arguments)
        assert (ended.code, "DATABASE_NOT_FOUND" in ended.err) == (3, True)


def test_a_database_gets_another_name(sqlatch: Sqlatch, filled: Client, name: str) -> None:
    ended = sqlatch("rename", name, f"{name}-b")

    assert ended.code == 0, ended.err
    assert name not in listed(sqlatch)
    assert rows(filled, f"{name}-b") == [(1, None), (2, 1)]


def test_a_rename_takes_no_name_that_another_database_has(
    sqlatch: Sqlatch, filled: Client, name: str
) -> None:
    assert sqlatch("create", f"{name}-b").code == 0
    with connect(f"{os.environ['SQLATCH_URL']}-b") as other:
        other.execute("CREATE TABLE mine (a)")

    assert sqlatch("rename", name, f"{name}-b").code == 3
    assert {name, f"{name}-b"} <= set(listed(sqlatch))


@pytest.mark.parametrize("times", [1, 3])
def test_what_is_written_while_a_database_is_renamed_is_not_lost(
    times: int, sqlatch: Sqlatch, filled: Client, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind each comparison, and before the deletion, somebody writes."""
    compared, left = Copy.compared, times

    def and_written(one: Copy) -> Any:
        nonlocal left
        done = compared(one)
        if left:
            left -= 1
            filled.execute("INSERT INTO t (next) VALUES (1)")
        return done

    monkeypatch.setattr(Copy, "compared", and_written)

    ended = sqlatch("rename", name, f"{name}-b")

    if times == 3:
        assert (ended.code, name in listed(sqlatch)) == (5, True)
        assert len(rows(filled, name)) == 5
    else:
        assert (ended.code, name in listed(sqlatch)) == (0, False)
        assert len(rows(filled, f"{name}-b")) == 3
