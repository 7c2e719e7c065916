"""Deleting a database through every door: who may, what is refused, what the reaper does."""

import json
import time
from typing import Any

import pytest

from handler.managing import KEPT_DAYS
from handler.service import service
from sqlatch.tokens import new_key, sign
from tests.conftest import Ask, forget
from tests.faults.machine import Time
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC as KEY
from tests.hrana.conftest import token

PRIVATE, PUBLIC = new_key()


@pytest.fixture
def made(ask: Ask) -> None:
    for name in ("main", "other"):
        ask(database=name, query="CREATE TABLE t (n)")


def names(ask: Ask) -> list[str]:
    return [one["name"] for one in ask(health=True)["databases"]]


@pytest.mark.usefixtures("made")
def test_a_database_is_deleted_and_brought_back_under_its_lease(ask: Ask, refused: Ask) -> None:
    deleted = ask(manage="delete", database="main")

    assert deleted == {"database": "main", "kept": deleted["kept"], "kept_days": KEPT_DAYS}
    assert names(ask) == ["other"]
    assert refused(query="SELECT * FROM t")["code"] == "DATABASE_NOT_FOUND"
    assert refused(manage="delete", database="main")["code"] == "DATABASE_NOT_FOUND"
    assert ask(manage="undelete", database="main", kept=deleted["kept"])["kept"] == deleted["kept"]
    assert ask(query="SELECT * FROM t")["rows"] == []
    assert ask(health=True)["leases"] == []


@pytest.mark.usefixtures("made")
def test_a_database_is_deleted_only_in_the_state_that_is_wanted(ask: Ask, refused: Ask) -> None:
    state = ask(query="SELECT 1", page="first")["page"]["state"]
    ask(query="INSERT INTO t VALUES (1)")

    error = refused(manage="delete", database="main", if_state=state)

    assert error["code"] == "DATABASE_CHANGED"
    state = ask(query="SELECT 1", page="first")["page"]["state"]
    assert ask(manage="delete", database="main", if_state=state)["kept"]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    "event",
    [
        {"manage": "delete"},
        {"manage": "drop", "database": "main"},
        {"manage": "delete", "database": "../main"},
        {"manage": "delete", "database": "main", "kept": "main.1"},
        {"manage": "delete", "database": "main", "query": "SELECT 1"},
        {"manage": "undelete", "database": "main"},
        {"manage": "undelete", "database": "new", "kept": "../main"},
        {"manage": "undelete", "database": "new", "kept": "main.20260101T000000Z-00000000"},
        {"manage": "undelete", "database": "new", "kept": "main.1", "if_state": "a"},
    ],
)
def test_what_is_no_such_event_is_refused(event: dict[str, Any], ask: Ask, refused: Ask) -> None:
    assert refused(event)["code"] == "BAD_EVENT"
    assert names(ask) == ["main", "other"]


@pytest.mark.usefixtures("made")
def test_a_function_that_only_reads_deletes_nothing(
    refused: Ask, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)

    assert refused(manage="delete", database="main")["code"] == "READ_ONLY"
    assert names(ask) == ["main", "other"]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("rights", "path", "status"),
    [
        (("rw", "*"), "/query", 200),
        (("rw", "*"), "/main/query", 400),
        (("rw", "*"), "/read", 400),
        (("ro", "*"), "/query", 401),
        (("rw", ["main"]), "/query", 401),
        (None, "/query", 401),
    ],
)
def test_over_http_a_token_for_all_databases_deletes_one(
    rights: Any, path: str, status: int, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    forget(service)
    headers = {"content-type": "application/json"}
    if rights is not None:
        access, databases = rights
        token = sign(PRIVATE, access=access, databases=databases, lifetime_s=60)
        headers["authorization"] = f"Bearer {token}"

    answer = ask({
        "version": "2.0", "rawPath": path, "headers": headers,
        "body": json.dumps({"manage": "delete", "database": "main"}),
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "isBase64Encoded": False,
    })  # fmt: skip

    assert answer["statusCode"] == status, answer
    assert names(ask) == (["other"] if status == 200 else ["main", "other"])


@pytest.mark.usefixtures("made")
def test_a_queue_deletes_nothing(ask: Ask) -> None:
    body = json.dumps({"manage": "delete", "database": "main"})

    answer = ask(Records=[{"messageId": "1", "body": body, "eventSource": "aws:sqs"}])

    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert names(ask) == ["main", "other"]


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("days", [KEPT_DAYS - 1, KEPT_DAYS + 1])
def test_the_reaper_forgets_what_was_deleted_long_ago(
    days: int, ask: Ask, refused: Ask, stopped_time: Time
) -> None:
    stopped_time.now_s = time.time()  # files and objects have times of their own
    kept = ask(manage="delete", database="main")["kept"]
    stopped_time.now_s += days * 24 * 3600

    assert ask(source="aws.events")["failures"] == []

    undelete = {"manage": "undelete", "database": "main", "kept": kept}
    if days > KEPT_DAYS:
        assert refused(undelete)["field"] == "kept"
    else:
        assert ask(undelete)["kept"] == kept


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize("comes_back", [False, True])
def test_a_transaction_whose_database_is_deleted_meanwhile_commits_only_to_what_came_back(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, *, comes_back: bool
) -> None:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", KEY)
    forget(service)
    stream = Client(token()).stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    kept = ask(manage="delete", database="main")["kept"]
    if comes_back:
        ask(manage="undelete", database="main", kept=kept)

    commit = stream.execute if comes_back else stream.refused
    commit("COMMIT")

    assert names(ask) == (["main", "other"] if comes_back else ["other"])
    if comes_back:
        assert ask(query="SELECT n FROM t")["rows"] == [[1]]
