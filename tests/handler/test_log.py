"""The one line of a request: JSON, metrics in it, and nothing that a user wrote."""

import io
import json
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from events.sqs import unwrap
from handler import log
from handler.messages import answer_messages
from handler.record import Record
from handler.service import Service
from locking.leases import Leases
from tests.conftest import Ask
from tests.events.test_http import v2
from tests.faults.machine import Time
from tests.forge import OTHER_PRIVATE, PUBLIC, bearer
from tests.handler.test_messages import record as message
from tests.hrana.client import Client, execute
from tests.hrana.conftest import keys as keys
from tests.hrana.conftest import token as token_for_all


@pytest.fixture
def lines(ask: Ask, capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """The lines that were logged since it was last asked."""
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def metrics_of(line: dict[str, Any]) -> dict[str, float]:
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "sqlatch"
    assert directive["Dimensions"] == [["service"]]
    return {metric["Name"]: line[metric["Name"]] for metric in directive["Metrics"]}


def test_a_request_leaves_one_line_with_its_metrics(lines: Any, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    ask(query="SELECT * FROM t")
    write, read = lines()

    assert (write["door"], write["database"], write["kind"]) == ("direct", "main", "write")
    assert (read["kind"], read["statements"], read["service"]) == ("read", 1, "sqlatch")
    assert set(metrics_of(write)) == {"Requests", "DurationMs", "Writes", "LeaseWaitMs"}
    assert set(metrics_of(read)) == {"Requests", "DurationMs"}


def test_a_refusal_is_told_by_its_code_and_holds_nothing_of_the_request(
    lines: Any, ask: Ask, refused: Ask
) -> None:
    refused(query="SELECT 'secret' FRM t WHERE x = 'hidden'", parameters=["private"])
    refused(query="SELECT 1", secret="hidden")
    ask({"Records": [{"messageId": "m", "body": "secret"}]})
    text = json.dumps(found := lines())

    assert [line["code"] for line in found] == ["STATEMENT_ERROR", "BAD_EVENT", "BAD_EVENT"]
    assert all("Refusals" in metrics_of(line) for line in found)
    assert not any(word in text for word in ("secret", "hidden", "private", "FRM"))


def test_a_busy_lease_and_a_failing_store_have_metrics_of_their_own(
    stopped_time: Time, lines: Any, ask: Ask, refused: Ask, the_service: Any
) -> None:
    ask(query="CREATE TABLE t (n)")
    deadline_s = the_service.clock.now() + 60
    with the_service.leases.hold("main", holder="somebody", deadline_s=deadline_s):
        refused(query="DELETE FROM t")
    the_service.close()
    the_service.databases._engine._files.directory /= "missing"
    refused(query="SELECT 1")
    _created, busy, failing = lines()

    assert "LeaseBusy" in metrics_of(busy)
    assert "Errors" in metrics_of(failing)
    assert "No such file or directory" in failing["cause"]


def test_no_line_holds_a_token(lines: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    tokens = [bearer(time.time()), bearer(time.time(), key=OTHER_PRIVATE)]
    for token in tokens:
        ask(v2("POST", "/query", '{"query": "SELECT 1"}', headers={"authorization": token}))
    text = json.dumps(found := lines())

    assert [line["code"] for line in found] == ["DATABASE_NOT_FOUND", "UNAUTHORIZED"]
    for token in tokens:
        assert not any(part in text for part in token.removeprefix("Bearer ").split("."))


def test_the_line_is_as_powertools_writes_it(
    lines: Any, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    logger = log._logger()
    ask(query="CREATE TABLE t (n)")
    with logger.append_context_keys(stage="test"):
        ask(query="SELECT * FROM t")
        (ours,) = lines()[1:]
        own = ("level", "message", "timestamp", "service", "stage", "xray_trace_id")
        logger.info("request", extra={name: ours[name] for name in ours if name not in own})
    (theirs,) = lines()

    assert ours["xray_trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert list(ours) == list(theirs), "not even the order differs"
    assert {**ours, "timestamp": 0} == {**theirs, "timestamp": 0}


def test_the_time_of_a_line_is_as_powertools_writes_it(ask: Ask) -> None:
    formatter = log._logger().registered_formatter
    assert isinstance(formatter, log._Formatter)
    line = log._line(Record(function_request_id="r", door="direct"), "sqlatch")

    for created_s in (1_000_000_000.0, 1_000_000_000.0625, 1_000_000_000.9375, 1_700_000_001.5):
        line.created, line.msecs = created_s, created_s % 1 * 1000
        written = json.loads(formatter.format(line))

        assert written["timestamp"] == formatter.formatTime(line)
        assert written["_aws"]["Timestamp"] == int(created_s * 1000)


def test_a_level_above_info_silences_the_line(
    lines: Any, ask: Ask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger=log._logger().name):
        ask(query="CREATE TABLE t (n)")

    assert lines() == []


def test_the_line_goes_to_standard_error_as_it_is_now(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", first)
    ask(query="CREATE TABLE t (n)")
    first.close()
    monkeypatch.setattr(sys, "stderr", second)
    ask(query="SELECT * FROM t")

    assert json.loads(second.getvalue())["kind"] == "read"


def test_a_libsql_request_has_a_door_of_its_own_and_tells_rows_and_errors_in_our_codes(
    lines: Any, ask: Ask, keys: None
) -> None:
    client = Client(token_for_all())
    client.stream().execute("CREATE TABLE t (n UNIQUE)")
    client.stream().ask(
        execute("INSERT INTO t VALUES (1), (2)"),
        execute("SELECT * FROM t"),
        execute("SELECT * FROM t", want_rows=False),
    )
    steps = [{"stmt": {"sql": sql}} for sql in ("INSERT INTO t VALUES (1)", "ATTACH 'x' AS y")]
    client.stream().ask({"type": "batch", "batch": {"steps": steps}})
    client.send("/v3/cursor", {"baton": None, "batch": {"steps": steps}})
    ask(pipeline={"requests": [execute("INSERT INTO t VALUES (1)")]})
    _created, rows, batch, cursor, direct = lines()

    assert {line["door"] for line in (rows, batch, cursor, direct)} == {"libsql"}
    assert (rows["statements"], rows["rows"]) == (3, 2)
    assert "code" not in rows
    for line in (batch, cursor):
        assert line["code"] == "CONSTRAINT"
        assert line["sqlite_code"] == "SQLITE_CONSTRAINT_UNIQUE"
        assert line["failures"] == [
            {"database": "main", "code": "CONSTRAINT", "count": 1},
            {"database": "main", "code": "FORBIDDEN_STATEMENT", "count": 1},
        ]
        assert "Refusals" in metrics_of(line)
    assert direct["code"] == "CONSTRAINT"


def test_a_malformed_database_is_told_alike_at_every_door(
    lines: Any, ask: Ask, refused: Ask, directory: Path
) -> None:
    (directory / "main.db").write_bytes(b"no database at all, " * 100)
    refused(query="SELECT 1")
    ask(pipeline={"requests": [execute("SELECT 1")]})
    insert = {"query": "INSERT INTO t VALUES (1)"}
    ask({"Records": [message("a", insert), message("b", {"query": "SELECT", "x": 1})]})

    for line in lines():
        assert line["code"] == "DATABASE_CORRUPT", "the alarm looks for it"
        assert "Errors" in metrics_of(line)


def test_a_batch_of_messages_tells_each_database_and_each_code(
    lines: Any, ask: Ask, the_service: Any
) -> None:
    for name in ("a", "b", "c"):
        ask(query="CREATE TABLE t (n UNIQUE)", database=name)
    insert = {"query": "INSERT INTO t VALUES (1)"}
    still = Service(the_service.settings, clock=Time().clock())
    records = [
        message(f"{name}{number}", {**insert, "database": name})
        for name in ("a", "b", "c")
        for number in range(3)
    ]
    records.append(message("d", {"query": "SELECT", "x": 1}))
    now_s = still.clock.now()
    with closing(still), still.leases.hold("b", holder="somebody", deadline_s=now_s + 30):
        answer_messages(
            still,
            unwrap({"Records": records}),
            record := Record("request", "sqs"),
            ends_at_s=now_s + 3,
        )

    assert record.database is None
    assert record.databases == ["a", "b", "c"]
    assert record.code == "LEASE_BUSY", "the gravest"
    assert record.failures == [
        {"database": None, "code": "BAD_EVENT", "count": 1},
        {"database": "a", "code": "CONSTRAINT", "count": 2},
        {"database": "b", "code": "LEASE_BUSY", "count": 1},
        {"database": "c", "code": "CONSTRAINT", "count": 2},
    ]


def test_a_lease_that_was_not_given_back_is_still_told_when_the_next_one_was(
    ask: Ask, the_service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        ask(query="CREATE TABLE t (n)", database=name)
    release = Leases._release

    def release_all_but_one(self: Leases, database: str, *values: Any, **named: Any) -> bool:
        return release(self, database, *values, **named) and database != "a"

    monkeypatch.setattr(Leases, "_release", release_all_but_one)
    insert = {"query": "INSERT INTO t VALUES (1)"}
    records = [message(name, {**insert, "database": name}) for name in ("a", "b")]
    record = Record("request", "sqs")
    ends_at_s = the_service.clock.now() + 10
    answer_messages(the_service, unwrap({"Records": records}), record, ends_at_s=ends_at_s)

    assert record.lease_not_released is True
