"""libSQL requests through the handler: permission, the line in the log, direct invocations."""

import json
from typing import Any

import pytest

from handler import local
from handler.service import service
from sqlatch.kernel.errors import BadEvent, IdempotencyConflict
from tests.conftest import Ask


def pipeline(*queries: str, **fields: Any) -> dict[str, Any]:
    requests = [{"type": "execute", "stmt": {"sql": sql}} for sql in queries]
    return {"pipeline": {"requests": [*requests, {"type": "close"}]}, **fields}


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(capsys.readouterr().err.splitlines()[-1])
    return line


def test_a_pipeline_is_answered_to_whoever_may_invoke(ask: Ask) -> None:
    ask(pipeline("CREATE TABLE t (n)", "INSERT INTO t VALUES (1)", database="orders"))

    assert ask(query="SELECT n FROM t", database="orders")["rows"] == [[1]]


def test_a_key_makes_a_pipeline_happen_once(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    event = pipeline("INSERT INTO t VALUES (1)", idempotency_key="k")

    assert ask(event)["results"] == ask(event)["results"]
    with pytest.raises(IdempotencyConflict):
        ask(pipeline("INSERT INTO t VALUES (2)", idempotency_key="k"))
    assert ask(query="SELECT n FROM t")["rows"] == [[1]]


def test_what_breaks_the_protocol_is_a_bad_event_with_its_code(environment: dict[str, str]) -> None:
    with pytest.raises(BadEvent) as refused:
        local.invoke({"pipeline": {"requests": [{"type": "nonsense"}]}})

    assert refused.value.facts["refusal"] == "BAD_REQUEST"


def test_the_line_has_the_door_the_kind_and_the_counts(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(pipeline("CREATE TABLE t AS SELECT 1 AS n UNION SELECT 2", "SELECT n FROM t"))

    said = line(capsys)
    assert (said["door"], said["kind"], said["database"]) == ("libsql", "write", "main")
    assert (said["statements"], said["rows"]) == (2, 2)
    assert "code" not in said


def test_the_line_names_an_error_of_a_statement_in_the_codes_of_the_contract(
    ask: Ask, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(pipeline("SELECT 1", "SELECT nothing"))

    said = line(capsys)
    assert said["code"] == "STATEMENT_ERROR"
    assert said["failures"] == [{"database": "main", "code": "STATEMENT_ERROR", "count": 1}]


def test_where_only_reads_are_allowed_nothing_is_written(
    ask: Ask, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(query="CREATE TABLE t (n)")
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    service.cache_clear()

    read, written, shrunk, _close = ask(
        pipeline("SELECT count(*) FROM t", "INSERT INTO t VALUES (1)", "VACUUM")
    )["results"]

    assert read["type"] == "ok"
    for refused in (written, shrunk):
        assert refused["error"]["code"] == "SQLITE_READONLY"
