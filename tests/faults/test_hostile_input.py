"""Whatever comes in: only errors of the contract come out, in time, in memory, and nothing stays.

SQLATCH_FAULTS_FULL=1 sends 100,000 generated events instead of 3,000.
"""

import base64
import gzip
import json
import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings

from events import http
from handler import local
from handler.query import Door, door_of
from handler.service import service
from sqlatch.kernel.errors import SqlatchError
from tests.conftest import Ask
from tests.faults import bombs
from tests.faults.hostile_events import events
from tests.faults.report import record
from tests.storage.sessions import sessions_of

pytestmark = pytest.mark.slow

EVENTS = 100_000 if "SQLATCH_FAULTS_FULL" in os.environ else 800
PAST_MAX_S = 0.2
"""On the machine for which it was chosen; a slower one has as much more as it is slower, by what
`bombs.pace_s` takes on it right before and after each bomb."""

TRIES_MAX = 3
"""A machine that does other things lets a statement end late, but not three times over."""


@pytest.mark.timeout(3_600)
def test_only_errors_of_the_contract_come_back(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SQLATCH_TIMEOUT_MS", "2000")
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, n UNIQUE)")
    counts: Counter[str] = Counter()

    @settings(
        max_examples=EVENTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @example({"source": "aws.events"})  # the door that is met least
    @given(events())
    def sent(event: Any) -> None:
        counts[f"{door_of(event).value}: {what_comes_of(event)}"] += 1
        assert service().leases.held() == []
        assert not any_transaction()
        caplog.clear()

    sent()

    assert {key.partition(":")[0] for key in counts} == {door.value for door in Door}
    record("hostile_events", events=sum(counts.values()), **dict(sorted(counts.items())))


def what_comes_of(event: Any) -> str:
    """The code that comes back, or `answered`; anything else is a bug, and raised."""
    try:
        answer = local.invoke(event)
    except SqlatchError as error:
        if door_of(event) is Door.HTTP or error.code not in http.STATUS or _is_batch(event):
            raise AssertionError("not what this door gives") from error
        json.dumps(error.body(), allow_nan=False)
        return error.code
    text = json.dumps(answer, allow_nan=False)
    if door_of(event) is Door.HTTP:
        return _http_code(answer)
    if door_of(event) is Door.SQS:
        failures = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        sent = [str(message["messageId"]) for message in event["Records"]]
        assert set(failures) <= set(sent)
        return "failures" if failures else "applied"
    assert isinstance(json.loads(text), dict)
    return "answered"


def _is_batch(event: Any) -> bool:
    """Return whether a queue has sent it: then what is wrong with one message is no other's."""
    records = event.get("Records") if isinstance(event, dict) else None
    return (
        door_of(event) is Door.SQS
        and isinstance(records, list)
        and all(isinstance(one, dict) and {"messageId", "body"} <= one.keys() for one in records)
    )


def _http_code(answer: dict[str, Any]) -> str:
    assert set(answer) == {"statusCode", "headers", "body", "isBase64Encoded"}
    content = answer["body"].encode()
    if answer["isBase64Encoded"]:
        content = gzip.decompress(base64.b64decode(content))
    body = json.loads(content)
    if answer["statusCode"] == 200:
        assert "error" not in body
        return "answered"
    code = body["error"]["code"]
    assert answer["statusCode"] in {http.STATUS[code], 404, 405, 413}
    return str(code)


def any_transaction() -> bool:
    stores = [database._store for database in service().databases._open.values()]
    sessions = [session for store in stores for session in sessions_of(store)]
    return any(session and session.connection.in_transaction for session in sessions)


@pytest.mark.timeout(600)
def test_a_bomb_ends_by_its_deadline_and_within_the_memory_of_the_function() -> None:
    outcomes = bombs.run(list(bombs.BOMBS))
    for _try in range(TRIES_MAX - 1):
        late = [name for name, one in outcomes.items() if is_late(one)]
        if late:
            outcomes |= bombs.run(late)

    assert {one["code"] for one in outcomes.values()} <= {
        "answered", "RESULT_TOO_LARGE", "STATEMENT_ERROR", "TIMEOUT",
    }  # fmt: skip
    assert {name: one for name, one in outcomes.items() if is_late(one)} == {}
    record(
        "bombs",
        bombs=len(outcomes),
        past_deadline_s_max=max(one["past_s"] for one in outcomes.values()),
        slowness_max=max(one["slowness"] for one in outcomes.values()),
        memory_of_function_mb=bombs.MEMORY_MB,
        peak_mb_max=max(one["peak_mb"] for one in outcomes.values()),
        **Counter(one["code"] for one in outcomes.values()),
    )


def is_late(outcome: dict[str, Any]) -> bool:
    return bool(outcome["past_s"] > PAST_MAX_S * outcome["slowness"])


def test_without_the_limits_of_memory_a_bomb_takes_more_than_the_function_has() -> None:
    """The negative control, with one that stays small enough for the machine of the test."""
    (outcome,) = bombs.run(["large rows behind small ones"], limited=False).values()

    assert outcome["peak_mb"] > bombs.MEMORY_MB


BROKEN: dict[str, Any] = {
    "no parameter sets": {"query": "SELECT 1", "parameter_sets": None},
    "a record that is a list": {"Records": [["x"]]},
    "attributes that are a list": {"Records": [{"messageId": "m", "body": "", "attributes": [1]}]},
    "a group that is an object": {
        "Records": [{"messageId": "m", "body": "", "attributes": {"MessageGroupId": {}}}]
    },
}
"""Found by the generated events."""


@pytest.mark.parametrize("name", BROKEN)
def test_what_once_broke_a_door(name: str, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")

    assert what_comes_of(BROKEN[name]) in {"answered", "BAD_EVENT", "failures"}
