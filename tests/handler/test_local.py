"""The handler on one's own machine: files of events, and an HTTP server."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from handler import local
from tests import http_server
from tests.conftest import Ask

SAMPLES = sorted((Path(__file__).parents[2] / "events" / "samples").glob("*.json"))
EXPECTED: dict[str, Any] = {
    "01-create": lambda a: len(a["results"]) == 2 and a["meta"]["wrote"],
    "02-insert": lambda a: a["rows_affected"] == 1,
    "03-bulk-insert": lambda a: a["rows_affected"] == 3,
    "04-select": lambda a: [row[0] for row in a["rows"]] == ["AA", "B6", "DL", "UA"],
    "05-named-parameters": lambda a: a["rows"] == [{"name": "United Air Lines Inc."}],
    "06-batch": lambda a: a["results"][2]["rows"] == [[1, "UA", "EWR", 1416]],
    "07-read-only": lambda a: a["rows"] == [[4]] and not a["meta"]["wrote"],
    "08-idempotent-write": lambda a: a["rows"] == [[2, "DL"]],
    "09-health": lambda a: a["status"] == "ok" and a["leases"] == [],
    "10-http-2.0": lambda a: json.loads(a["body"])["columns"] == ["carrier", "name"],
    "11-http-1.0": lambda a: json.loads(a["body"])["rows"] == [[4]],
    "12-sqs": lambda a: len(a["batchItemFailures"]) == 1,
    "13-sqs-fifo": lambda a: a == {"batchItemFailures": []},
    "14-schedule": lambda a: a["failures"] == [],
    "15-bad-event": lambda a: a == {
        "errorType": "BadEvent",
        "errorMessage": "paramters: is no field of a request"
        ' {"code": "BAD_EVENT", "retryable": false, "field": "paramters"}',
    },
}  # fmt: skip


def answers_of(printed: str) -> list[Any]:
    answers = []
    decoder = json.JSONDecoder()
    while printed := printed.strip():
        answer, end = decoder.raw_decode(printed)
        answers.append(answer)
        printed = printed[end:]
    return answers


@pytest.mark.lease_tables
def test_every_sample_does_what_its_name_says_twice(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert [path.stem for path in SAMPLES] == list(EXPECTED)
    for _round in range(2):
        status = local.main(["invoke", *map(str, SAMPLES)])
        answers = answers_of(capsys.readouterr().out)

        assert status == 1, "one of them is a bad event"
        for path, answer in zip(SAMPLES, answers, strict=True):
            assert EXPECTED[path.stem](answer), (path.stem, answer)


def test_a_file_that_is_not_json_is_told(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "event.json"
    path.write_text("SELECT 1")

    assert local.main(["invoke", str(path)]) == 1
    assert json.loads(capsys.readouterr().out)["errorType"] == "JSONDecodeError"


@pytest.fixture
def server(environment: dict[str, str]) -> Iterator[HTTPConnection]:
    server = local.make_server(0)
    with http_server.running(server):
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        yield connection
        connection.close()


def test_the_server_speaks_http(server: HTTPConnection) -> None:
    def ask(method: str, path: str, body: str | None = None) -> tuple[int, Any]:
        server.request(method, path, body)
        answer = server.getresponse()
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.read())

    assert ask("GET", "/health")[1]["status"] == "ok"
    assert ask("POST", "/query", '{"query": "CREATE TABLE t AS SELECT 1 AS n"}')[0] == 200
    assert ask("POST", "/read", '{"query": "SELECT n FROM t"}')[1]["rows"] == [[1]]
    assert ask("POST", "/read", '{"query": "DELETE FROM t"}')[0] == 403
    assert ask("POST", "/query", "{")[0] == 400
    assert ask("GET", "/nope")[0] == 404


def test_an_unknown_command_says_which_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        local.main(["fly"])

    assert "invoke" in capsys.readouterr().err


def test_invoke_sends_a_schedule_to_the_reaper(ask: Ask) -> None:
    assert ask({"source": "aws.events"})["leases_reaped"] == []
