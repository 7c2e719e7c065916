"""The counts of a function from CloudWatch: of the metrics that its log lines have."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sqlatch import connect
from sqlatch.server.cloudwatch import HOUR_S, HOURS, CloudWatch
from sqlatch.server.proxy import Proxy
from tests import cloudwatch_server
from tests.cloudwatch_server import CloudWatchServer
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer, refusal

STACK = "shop"


@pytest.fixture
def metrics(monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudWatchServer]:
    with cloudwatch_server.running() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", server.url)
        yield server


@pytest.fixture
def proxy(lambda_api: LambdaServer, metrics: CloudWatchServer) -> Iterator[Proxy]:
    with connect(f"lambda://{FUNCTION}:live/main") as client:
        yield Proxy(client)


def watched(proxy: Proxy) -> dict[str, Any]:
    """Return what the view Watch is told."""
    headers = {"authorization": f"Bearer {proxy.secret}"}
    http = {"http": {"method": "GET"}}
    event = {"rawPath": "/console/watch", "headers": headers, "requestContext": http}
    answer = proxy.answer({**event, "body": ""})
    assert answer["statusCode"] == 200
    told: dict[str, Any] = json.loads(answer["body"])
    assert told["health"]["status"] == "ok"
    counts: dict[str, Any] = told["cloudwatch"]
    return counts


def line(at_s: float, **metrics: float) -> str:
    directive = {
        "Namespace": "sqlatch",
        "Dimensions": [["service"]],
        "Metrics": [{"Name": name} for name in metrics],
    }
    told = {"Timestamp": int(at_s * 1000), "CloudWatchMetrics": [directive]}
    return json.dumps({"_aws": told, "service": STACK, **metrics})


def test_the_hours_have_what_the_lines_of_the_function_say(
    proxy: Proxy, lambda_api: LambdaServer, metrics: CloudWatchServer,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with connect(f"lambda://{FUNCTION}/main") as client:
        client.execute("CREATE TABLE t (a)")
        with pytest.raises(Exception, match="no such table"):
            client.query("SELECT * FROM missing")
    lines = capsys.readouterr().err.splitlines()
    metrics.take(lines)

    newest, *_older = watched(proxy)["hours"]

    said = [json.loads(each) for each in lines]
    durations = sorted(each["DurationMs"] for each in said)
    waits = sorted(each["LeaseWaitMs"] for each in said if "LeaseWaitMs" in each)
    assert newest == {
        "at": int(time.time()) // HOUR_S * HOUR_S,
        "requests": len(said),
        "errors": 1,
        "codes": {"Refusals": 1},
        "duration_ms": {"p50": durations[-(-len(said) // 2) - 1], "p95": durations[-1],
                        "p99": durations[-1]},
        "leases": {"taken": 1, "wait_ms": dict.fromkeys(("p50", "p95", "p99"), waits[0]),
                   "recoveries": 0},
    }  # fmt: skip


def test_each_hour_has_its_own_percentiles_and_what_nobody_asked_in_is_empty(
    lambda_api: LambdaServer,
    metrics: CloudWatchServer,
) -> None:
    now_s = 500_000 * HOUR_S + 1_800.0
    lambda_api.configuration = {
        "Environment": {"Variables": {"POWERTOOLS_SERVICE_NAME": STACK}},
    }
    metrics.take(line(now_s - HOUR_S, Requests=1, DurationMs=float(ms)) for ms in range(1, 101))
    metrics.take([line(now_s - 60, Requests=1, Errors=1, HotJournalsRecovered=2, DurationMs=7.0)])
    metrics.take([line(now_s - 60, Requests=1, LeaseBusy=1, LeaseWaitMs=3.0, DurationMs=9.0)])

    with connect(f"lambda://{FUNCTION}/main") as client:
        transport: Any = client.transport
        counted = CloudWatch(transport.client_of, FUNCTION, None, now=lambda: now_s)
        told = counted.counts()
        again = counted.counts()

    assert again == told
    assert len(metrics.asked) == 1, "each answer is paid for"
    assert (told["namespace"], told["service"]) == ("sqlatch", STACK)
    now, before, empty = told["hours"]
    assert len(told["hours"]) == HOURS
    assert (now["requests"], now["errors"], now["codes"]) == (2, 2, {"Errors": 1, "LeaseBusy": 1})
    assert (now["leases"]["taken"], now["leases"]["recoveries"]) == (1, 2)
    assert before["duration_ms"] == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert (empty["requests"], empty["duration_ms"]["p50"]) == (0, None)


def test_a_refusal_of_aws_names_the_action_that_is_missing(
    proxy: Proxy,
    lambda_api: LambdaServer,
    metrics: CloudWatchServer,
) -> None:
    message = "User: arn:aws:iam::1:user/me is not authorized"
    lambda_api.refuses_configuration = refusal(403, "AccessDeniedException", message)
    problem = watched(proxy)["problem"]
    assert "lambda:GetFunctionConfiguration" in problem
    assert message in problem

    lambda_api.refuses_configuration = None
    metrics.refuses = ("AccessDenied", message)
    problem = watched(proxy)["problem"]
    assert "cloudwatch:GetMetricData" in problem
    assert message in problem

    metrics.refuses = None
    assert "hours" in watched(proxy), "a refusal is not kept"


def test_a_function_that_is_gone_settings_that_are_hidden_and_no_answer_are_said(
    proxy: Proxy,
    lambda_api: LambdaServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = "Function not found: sqlatch-query"
    lambda_api.refuses_configuration = refusal(404, "ResourceNotFoundException", gone)
    assert gone in watched(proxy)["problem"]

    lambda_api.refuses_configuration = None
    hidden = {"ErrorCode": "AccessDeniedException", "Message": "Lambda was unable to decrypt"}
    lambda_api.configuration = {"Environment": {"Error": hidden}}
    assert "unable to decrypt" in watched(proxy)["problem"]

    lambda_api.configuration = {}
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    assert "no answer to cloudwatch:GetMetricData" in watched(proxy)["problem"]
