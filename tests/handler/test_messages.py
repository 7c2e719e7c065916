"""The SQS door: batches, failures that undo only themselves, redelivery, order."""

import json
from typing import Any

import pytest

from handler.service import Service
from tests.conftest import Ask
from tests.faults.machine import Time


def record(message_id: str, event: Any, group: str | None = None) -> dict[str, Any]:
    body = event if isinstance(event, str) else json.dumps(event)
    attributes = {"ApproximateReceiveCount": "1"}
    if group is not None:
        attributes["MessageGroupId"] = group
    return {
        "messageId": message_id,
        "body": body,
        "attributes": attributes,
        "eventSource": "aws:sqs",
    }


def insert(n: int, **more: Any) -> dict[str, Any]:
    return {"query": "INSERT INTO t VALUES (?)", "parameters": [n], **more}


def failed(answer: dict[str, Any]) -> list[str]:
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE CHECK (n < 100))")


@pytest.mark.lease_tables
def test_messages_of_a_batch_are_applied(table: None, ask: Ask) -> None:
    answer = ask({"Records": [record(f"m{n}", insert(n)) for n in range(10)]})

    assert answer == {"batchItemFailures": []}
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[10]]


def test_a_message_for_a_table_whose_last_id_is_used_undoes_only_itself(ask: Ask) -> None:
    ask(query="CREATE TABLE ids (id INTEGER PRIMARY KEY AUTOINCREMENT, n)")
    ask(query="INSERT INTO ids VALUES (9223372036854775807, 1)")
    ask(query="CREATE TABLE t (n)")
    answer = ask(
        {
            "Records": [
                record("a", insert(1)),
                record("b", {"query": "INSERT INTO ids (n) VALUES (2)"}),
                record("c", insert(3)),
            ]
        }
    )

    assert failed(answer) == ["b"]
    assert ask(query="SELECT n FROM t")["rows"] == [[1], [3]]


def test_a_message_that_fails_undoes_only_itself(table: None, ask: Ask) -> None:
    half = {"statements": [insert(5), insert(1)]}
    answer = ask(
        {
            "Records": [
                record("a", insert(1)),
                record("b", half),
                record("c", "no JSON"),
                record("d", {"query": "SELECT", "x": 1}),
                record("e", {"health": True}),
                record("f", insert(7, read_only=True)),
                record("g", insert(2)),
                record("h", {"query": "COMMIT"}),
                record("i", {"query": "VACUUM"}),
            ]
        }
    )

    assert failed(answer) == ["b", "c", "d", "e", "f", "h", "i"]
    assert ask(query="SELECT n FROM t ORDER BY n")["rows"] == [[1], [2]]


def test_a_redelivered_message_is_applied_once(table: None, ask: Ask) -> None:
    ask(query="CREATE TABLE counter AS SELECT 0 AS n")
    raise_it = {"query": "UPDATE counter SET n = n + 1"}
    batch = {"Records": [record("a", raise_it), record("b", insert(100)), record("c", raise_it)]}

    assert failed(ask(batch)) == ["b"]
    assert failed(ask(batch)) == ["b"]
    assert ask(query="SELECT n FROM counter")["rows"] == [[2]]


def test_a_key_of_its_own_joins_a_message_to_the_other_doors(table: None, ask: Ask) -> None:
    ask({"Records": [record("a", insert(1, idempotency_key="k"))]})
    again = ask(insert(1, idempotency_key="k"))

    assert (again["rows_affected"], again["meta"]["replayed"]) == (1, True)


def test_a_message_that_undoes_the_transaction_does_not_take_the_others_with_it(
    table: None, ask: Ask
) -> None:
    undoing = {"query": "INSERT OR ROLLBACK INTO t VALUES (1)"}
    answer = ask(
        {
            "Records": [
                record("a", insert(1)),
                record("b", undoing),
                record("c", insert(2)),
                record("d", undoing),
            ]
        }
    )

    assert failed(answer) == ["b", "d"]
    assert ask(query="SELECT n FROM t ORDER BY n")["rows"] == [[1], [2]]


def test_an_endless_message_is_stopped_and_the_others_are_applied(table: None, ask: Ask) -> None:
    endless = {
        "query": "INSERT INTO t WITH RECURSIVE i(n) AS (SELECT -1 UNION ALL SELECT n - 1 FROM i)"
        " SELECT n FROM i",
        "timeout_ms": 50,
    }
    answer = ask(
        {"Records": [record("a", insert(1)), record("b", endless), record("c", insert(2))]}
    )

    assert failed(answer) == ["b"]
    assert ask(query="SELECT n FROM t ORDER BY n")["rows"] == [[1], [2]]


def test_each_database_of_a_batch_has_its_own_transaction(table: None, ask: Ask) -> None:
    answer = ask(
        {
            "Records": [
                record("a", insert(1)),
                record("b", {"query": "CREATE TABLE t (n)", "database": "other"}),
                record("c", insert(2)),
                record("d", insert(1, database="other")),
                record("e", insert(1, database="missing")),
            ]
        }
    )

    assert failed(answer) == ["e"]
    assert ask(query="SELECT n FROM t")["rows"] == [[1], [2]]
    assert ask(query="SELECT n FROM t", database="other")["rows"] == [[1]]
    assert [database["name"] for database in ask(health=True)["databases"]] == ["main", "other"]


@pytest.mark.parametrize("bad", [insert(100), "no JSON"])
def test_behind_a_failure_none_of_its_group_is_applied(bad: Any, table: None, ask: Ask) -> None:
    answer = ask(
        {
            "Records": [
                record("a1", insert(1), "a"),
                record("a2", bad, "a"),
                record("b1", insert(2), "b"),
                record("a3", insert(3), "a"),
                record("b2", insert(4), "b"),
            ]
        }
    )

    assert failed(answer) == ["a2", "a3"]
    assert ask(query="SELECT n FROM t ORDER BY n")["rows"] == [[1], [2], [4]]


def test_a_group_over_several_databases_keeps_its_order(table: None, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)", database="other")
    answer = ask(
        {
            "Records": [
                record("1", insert(1), "g"),
                record("2", insert(2, database="other"), "g"),
                record("3", insert(100), "g"),
                record("4", insert(4, database="other"), "g"),
                record("5", insert(5), "g"),
            ]
        }
    )

    assert failed(answer) == ["3", "4", "5"]
    assert ask(query="SELECT n FROM t")["rows"] == [[1]]
    assert ask(query="SELECT n FROM t", database="other")["rows"] == [[2]]


def test_a_busy_lease_fails_the_messages_of_its_database_only(
    stopped_time: Time, table: None, ask: Ask, the_service: Service
) -> None:
    ask(query="CREATE TABLE t (n)", database="other")
    deadline_s = the_service.clock.now() + 60
    with the_service.leases.hold("main", holder="somebody", deadline_s=deadline_s):
        answer = ask(
            {"Records": [record("a", insert(1)), record("b", insert(1, database="other"))]}
        )

    assert failed(answer) == ["a"]
    assert ask(query="SELECT n FROM t", database="other")["rows"] == [[1]]


@pytest.mark.parametrize(
    "asking",
    [
        {"read_only": True},
        {"page": "first"},
        {"at": "2026-11-01T00:00:00Z"},
        {"at": "0000000000000000"},
        {"at_least": "0000000000000000"},
        {"link": "csv"},
    ],
    ids=str,
)
def test_a_message_that_asks_fails_and_the_others_are_applied(
    asking: dict[str, Any], table: None, ask: Ask
) -> None:
    records = [record("a", insert(1)), record("b", insert(2, **asking)), record("c", insert(3))]

    assert failed(ask({"Records": records})) == ["b"]

    assert ask(query="SELECT n FROM t")["rows"] == [[1], [3]]


@pytest.mark.parametrize("records", [None, 1, [{}], [{"messageId": "a", "body": None}]])
def test_an_envelope_that_is_broken_is_a_bad_event_or_a_failed_message(
    records: Any, table: None, ask: Ask, refused: Ask
) -> None:
    if isinstance(records, list) and "messageId" in records[0]:
        assert failed(ask({"Records": records})) == ["a"]
    else:
        assert refused({"Records": records})["code"] == "BAD_EVENT"
