"""Failures between boto3 and the function: one class each, none repeated unless safe."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sqlatch import errors, failures
from sqlatch.attempts import ATTEMPTS_MAX
from sqlatch.client import Client
from sqlatch.errors import SqlatchError
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connected
from tests.sqlatch.lambda_server import FUNCTION, Answer, LambdaServer, function_error, refusal

pytestmark = pytest.mark.usefixtures("kind")

URL = f"lambda://{FUNCTION}/main"
INSERT = "INSERT INTO t VALUES (1)"
DIED = "RequestId: 8a Error: Runtime exited with error: signal: killed"

MISHAPS: dict[str, tuple[Answer, type[SqlatchError]]] = {
    "no permission": (
        refusal(403, "AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized"),
        failures.NotPermitted,
    ),
    "credentials out of date": (
        refusal(403, "ExpiredTokenException", "The security token included is expired"),
        failures.NotPermitted,
    ),
    "credentials unknown": (
        refusal(403, "UnrecognizedClientException", "The security token is invalid"),
        failures.NotPermitted,
    ),
    "throttled": (
        refusal(429, "TooManyRequestsException", "Rate Exceeded."),
        failures.Throttled,
    ),
    "too large": (
        refusal(413, "RequestTooLargeException", "6291457 bytes"),
        failures.RequestTooLarge,
    ),
    "lambda fails": (refusal(500, "ServiceException", "internal"), failures.FunctionDied),
    "a file system fails": (
        refusal(410, "EFSIOException", "The function could not read or write"),
        failures.FunctionDied,
    ),
    "a load balancer fails": (Answer(503, b"<html>busy</html>"), failures.FunctionDied),
    "timed out": (
        function_error({"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 3"}),
        failures.FunctionDied,
    ),
    "killed": (
        function_error({"errorType": "Runtime.ExitError", "errorMessage": DIED}),
        failures.FunctionDied,
    ),
    "no json": (function_error(b"<html>"), failures.FunctionDied),
    "a bug": (
        function_error({"errorType": "KeyError", "errorMessage": "'x'", "stackTrace": []}),
        failures.FunctionFailed,
    ),
    "a wrong setting": (
        function_error({"errorType": "SettingsError", "errorMessage": "SQLATCH_LEASES: ..."}),
        failures.FunctionFailed,
    ),
    "another function": (Answer(200, "Hello from Lambda!"), failures.UnexpectedAnswer),
    "another function's object": (Answer(200, {"statusCode": 200}), failures.UnexpectedAnswer),
    "cut off": (Answer(200, {"columns": []}, runs=False, cut_off=True), failures.AnswerCutOff),
    "empty": (Answer(200, b""), failures.AnswerCutOff),
}


@pytest.fixture
def client(lambda_api: LambdaServer) -> Iterator[Client]:
    with connected(URL) as client:
        client.execute("CREATE TABLE t (n)")
        yield client


@pytest.mark.parametrize("mishap", MISHAPS)
def test_a_mishap_is_one_class_with_its_cause(
    client: Client, lambda_api: LambdaServer, mishap: str
) -> None:
    answer, kind = MISHAPS[mishap]
    lambda_api.mishaps = [answer] * 50

    with pytest.raises(failures.CallFailed) as failed:
        client.execute(INSERT)

    assert type(failed.value) is kind
    assert failed.value.code == kind.code
    assert failed.value.facts["outcome"] == kind.outcome_unless_told
    asked = 50 - len(lambda_api.mishaps)
    assert (asked > 1) is kind.retryable


@pytest.mark.parametrize("mishap", [name for name in MISHAPS if MISHAPS[name][1].retryable])
def test_what_passes_is_waited_for(client: Client, lambda_api: LambdaServer, mishap: str) -> None:
    lambda_api.mishaps = [MISHAPS[mishap][0]] * 2

    assert client.execute(INSERT).rows_affected == 1
    assert client.query("SELECT count(*) FROM t").value() == 1


def test_every_repeat_bears_the_key_of_the_first(client: Client, lambda_api: LambdaServer) -> None:
    lambda_api.mishaps = [MISHAPS["throttled"][0]] * 3
    lambda_api.events.clear()

    client.execute(INSERT)
    client.execute(INSERT)

    keys = [event["idempotency_key"] for event in lambda_api.events]
    assert len(keys) == 5
    assert len(set(keys[:4])) == 1
    assert keys[4] != keys[0]


LOST = [
    Answer(200, {"columns": ["n"] * 10}, runs=True, cut_off=True),
    Answer(503, b"", runs=True),
    MISHAPS["timed out"][0],
]


def lost(answer: Answer) -> Answer:
    """The function runs, and then its answer is this one."""
    return Answer(answer.status, answer.body, answer.headers, runs=True, cut_off=answer.cut_off)


@pytest.mark.parametrize("answer", LOST)
def test_a_write_whose_answer_was_lost_is_applied_once(
    client: Client, lambda_api: LambdaServer, answer: Answer
) -> None:
    lambda_api.mishaps = [lost(answer)] * 2

    result = client.execute(INSERT)

    assert result.rows_affected == 1
    assert result.meta["replayed"]
    assert client.query("SELECT count(*) FROM t").value() == 1


@pytest.mark.parametrize("answer", LOST)
def test_without_its_key_the_same_write_would_be_applied_each_time(
    client: Client, lambda_api: LambdaServer, answer: Answer
) -> None:
    """The negative control: the key is taken out on the way to the function."""
    lambda_api.mishaps = [lost(answer)] * 2
    lambda_api.changes = without_key

    client.execute(INSERT)

    assert client.query("SELECT count(*) FROM t").value() == 3


def without_key(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "idempotency_key"}


def test_a_load_whose_answers_were_lost_loads_each_row_once(
    client: Client, lambda_api: LambdaServer
) -> None:
    lambda_api.mishaps = [lost(LOST[0]), None, lost(LOST[1])]
    rows = [["x" * 1_000_000] for _number in range(5)]

    loaded = client.load("INSERT INTO t VALUES (?)", rows)

    assert loaded.rows == 5
    assert client.query("SELECT count(*) FROM t").value() == 5


def test_a_load_that_failed_goes_on_where_it_was(client: Client, lambda_api: LambdaServer) -> None:
    rows = [["x" * 1_500_000] for _number in range(5)]
    lambda_api.mishaps = [None, None, MISHAPS["no permission"][0]]

    with pytest.raises(failures.NotPermitted) as failed:
        client.load("INSERT INTO t VALUES (?)", rows, idempotency_key="import")
    again = client.load("INSERT INTO t VALUES (?)", rows, idempotency_key="import")

    assert failed.value.facts["rows_loaded"] == 2
    assert (again.rows, again.rows_replayed) == (5, 2)
    assert client.query("SELECT count(*) FROM t").value() == 5


def test_an_unknown_function_is_told_and_not_asked_for_again(lambda_api: LambdaServer) -> None:
    with (
        connected("lambda://nowhere/main") as client,
        pytest.raises(failures.FunctionNotFound, match="Function not found: nowhere"),
    ):
        client.query("SELECT 1")

    assert len(lambda_api.paths) == 1


def test_a_qualifier_goes_with_the_call(lambda_api: LambdaServer) -> None:
    with connected(f"lambda://{FUNCTION}:live/main") as client:
        client.execute("CREATE TABLE t (n)")

    assert lambda_api.paths == [f"/2015-03-31/functions/{FUNCTION}/invocations?Qualifier=live"]


def test_no_credentials_are_no_permission(
    lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    with connected(URL) as client, pytest.raises(failures.NotPermitted, match="credentials"):
        client.query("SELECT 1")


def test_no_region_is_a_bad_url(lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with connected(URL) as client, pytest.raises(failures.BadUrl, match="region"):
        client.query("SELECT 1")
    with connected(f"{URL}?region=eu-west-1") as client:
        assert client.health()["status"] == "ok"


def test_nobody_there_is_unreachable(
    lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", "http://127.0.0.1:9")

    with connected(URL) as client, pytest.raises(failures.Unreachable) as failed:
        client.execute(INSERT)

    assert failed.value.facts["outcome"] == "nothing"


def test_silence_is_a_timeout_and_not_repeated_without_a_key(
    lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    calls: list[Callable[[Client], object]] = [
        lambda client: client.ask({"query": INSERT}),
        lambda client: client.execute(INSERT),
    ]
    for call in calls:
        with socket_server.running(None) as silent:
            monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{silent.port}")
            with (
                connected(URL, attempt_s=0.4) as client,
                pytest.raises(failures.CallTimedOut) as failed,
            ):
                call(client)
        asked.append(len(silent.requests))
        assert failed.value.facts["outcome"] == "unknown"

    assert asked == [1, ATTEMPTS_MAX], "with a key it is"


NOT_STARTED = [
    (409, "ResourceConflictException"),
    (410, "EFSMountTimeoutException"),
    (502, "ENILimitReachedException"),
    (502, "SubnetIPAddressLimitReachedException"),
]


@pytest.mark.parametrize(("status", "code"), NOT_STARTED)
def test_a_function_that_was_not_started_has_done_nothing(
    client: Client, lambda_api: LambdaServer, status: int, code: str
) -> None:
    lambda_api.mishaps = [refusal(status, code, "not now")] * 50

    with pytest.raises(failures.FunctionDied) as failed:
        client.execute(INSERT)

    assert failed.value.facts["outcome"] == "nothing"
    assert failed.value.facts["aws_code"] == code


def test_an_error_is_known_without_the_header_too(client: Client, lambda_api: LambdaServer) -> None:
    """As Lambda's own emulator answers."""
    text = errors.Constraint("UNIQUE constraint failed", statement=1).text()
    lambda_api.mishaps = [Answer(200, {"errorType": "Constraint", "errorMessage": text})]

    with pytest.raises(errors.Constraint) as refused:
        client.execute(INSERT)

    assert refused.value.facts == {"statement": 1, "outcome": "nothing"}


def test_a_body_that_is_no_text_reaches_the_http_door(client: Client) -> None:
    status, body = client.transport.send("POST", "/read", b"\xff", {}, timeout_s=5)

    assert status == 400
    assert b"the body is not JSON" in body


def test_send_reaches_the_http_door(client: Client) -> None:
    status, body = client.transport.send(
        "POST", "/read", b'{"query": "SELECT zeroblob(3000)"}', {}, timeout_s=5
    )

    assert status == 200
    assert len(body) > 4000
    assert client.transport.send("GET", "/nope", b"", {}, timeout_s=5)[0] == 404
