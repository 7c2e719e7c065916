"""The counts of a local server: by door, by shape of statement, and for whom."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from sqlatch.server import watch
from sqlatch.server.watch import Watch, watched
from tests.local_server import event

SHAPE = {"fingerprint": "1", "sql": "SELECT ?", "count": 1, "duration_ms": 2.0, "rows_scanned": 3}


def line(**fields: Any) -> dict[str, Any]:
    return {"door": "http", "kind": "read", "duration_ms": 1.0, "database": "main", **fields}


def test_requests_are_counted_by_their_doors() -> None:
    counted = Watch()
    for number in range(100):
        counted.note(line(duration_ms=float(number)))
    counted.note(line(door="libsql", code="TIMEOUT"))
    counted.note(line(kind="console"))
    counted.note(line(kind="health"))

    http, libsql = counted.counts()["doors"]

    assert http == {
        "door": "http",
        "requests": 100,
        "errors": 0,
        "codes": {},
        "duration_ms": {"p50": 50.0, "p95": 95.0, "p99": 99.0},
    }
    assert (libsql["requests"], libsql["errors"], libsql["codes"]) == (1, 1, {"TIMEOUT": 1})


def test_statements_are_added_up_by_shape_and_database() -> None:
    counted = Watch()
    slow = {**SHAPE, "fingerprint": "2", "sql": "SELECT slow", "duration_ms": 5.0}
    for _time in range(2):
        counted.note(line(shapes=[SHAPE, slow]))
    counted.note(line(shapes=[SHAPE], database="other"))

    statements = counted.counts()["statements"]

    assert [(one["sql"], one["database"], one["count"]) for one in statements] == [
        ("SELECT slow", "main", 2),
        ("SELECT ?", "main", 2),
        ("SELECT ?", "other", 1),
    ]
    assert (statements[1]["duration_ms"], statements[1]["rows_scanned"]) == (4.0, 6)


def test_shapes_past_the_limit_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "STATEMENTS_MAX", 2)
    counted = Watch()

    for number in range(5):
        counted.note(line(shapes=[{**SHAPE, "fingerprint": str(number)}]))

    assert [one["sql"] for one in counted.counts()["statements"]] == [
        "(others)", "SELECT ?", "SELECT ?"
    ]  # fmt: skip


def test_leases_their_waits_and_recoveries_are_counted() -> None:
    counted = Watch()
    counted.note(line(kind="write", lease_wait_ms=4.0, leases_taken_over=1))
    counted.note(line(kind="reap", hot_journals_recovered=1))

    assert counted.counts()["leases"] == {
        "taken": 1,
        "wait_ms": {"p50": 4.0, "p95": 4.0, "p99": 4.0},
        "takeovers": 1,
        "recoveries": 1,
    }


@pytest.mark.parametrize("status", [200, 503, 401])
def test_the_counts_are_for_those_who_may_ask_for_the_health(status: int) -> None:
    asked: list[tuple[str, str]] = []

    def answers(who: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def answer(event: dict[str, Any]) -> dict[str, Any]:
            asked.append((who, event["rawPath"]))
            return {"statusCode": status, "headers": {}, "body": '{"status": "ok"}'}

        return answer

    get = event("")
    get["rawPath"] = watch.PATH
    get["requestContext"]["http"]["method"] = "GET"
    waiting = {"leases": {"main": 2}, "turns": 1}
    answer = watched(answers("in turn"), Watch(), beside=answers("beside"), waiting=lambda: waiting)
    said = answer(get)

    assert asked == [("beside", "/health")]
    assert said["statusCode"] == (401 if status == 401 else 200)
    assert ("statements" in json.loads(said["body"])) is (status != 401)
    assert status == 401 or json.loads(said["body"])["waiting"] == waiting
    assert answer(event("SELECT 1"))["statusCode"] == status
    assert asked[1:] == [("in turn", "/query")]
