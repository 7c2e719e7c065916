"""One instance: every door, warm reuse, what a cold start loads, and where it comes from."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from handler.query import Door, door_of
from tests.e2e.artifact import BESIDE
from tests.e2e.conftest import Start
from tests.e2e.emulator import Instance
from tests.events.test_http import v2
from tests.forge import PRIVATE, PUBLIC, bearer, rsa
from tests.samples import EXPECTED, SAMPLES


def read_sample(path: Path) -> Any:
    return json.loads(path.read_bytes())


def test_every_sample_of_the_four_doors_does_what_its_name_says_twice(start: Start) -> None:
    query, reaper = start(), start("ReaperFunction")
    events = {path.stem: read_sample(path) for path in SAMPLES}
    assert {door_of(event) for event in events.values()} == set(Door)

    for _round in range(2):
        for name, event in events.items():
            function = reaper if door_of(event) is Door.SCHEDULE else query
            answer = function.invoke(event)
            assert EXPECTED[name].is_met_by(answer), (name, answer)


def test_the_read_function_reads_and_refuses_to_write(start: Start, instance: Instance) -> None:
    reader = start(
        "ReadFunction", environment={**instance.environment, "SQLATCH_READ_ONLY": "true"}
    )
    instance.invoke({"query": "CREATE TABLE t AS SELECT 7 AS n"})

    assert reader.invoke({"query": "SELECT n FROM t"})["rows"] == [[7]]
    assert reader.invoke({"query": "DELETE FROM t"})["errorType"] == "ReadOnly"


def test_all_code_but_the_runtime_s_own_is_the_artifact_s(start: Start) -> None:
    inspected = start(handler="inspecting.lambda_handler")
    files = inspected.invoke({"query": "CREATE TABLE t (n)"})["files"]

    for name in ("handler.query", "apsw", "pydantic_core", "aws_lambda_powertools"):
        assert Path(files[name]).is_relative_to(inspected.artifact.directory), name
    known = (inspected.artifact.directory, inspected.runtime, BESIDE, sys.base_prefix)
    strays = [
        file
        for file in files.values()
        if file and not any(Path(file).is_relative_to(place) for place in known)
    ]
    assert strays == []
    assert Path(files["botocore"]).is_relative_to(inspected.runtime)
    assert "botocore.session" not in files


def test_a_second_invoke_finds_the_process_warm(start: Start) -> None:
    inspected = start(handler="inspecting.lambda_handler")

    first, second = (inspected.invoke({"health": True}) for _invoke in range(2))

    assert first["process"] == second["process"]


def test_a_function_that_reads_and_writes_needs_no_aws_sdk(
    start: Start, instance: Instance, runtime_without_sdk: Path
) -> None:
    instance.invoke({"query": "CREATE TABLE t AS SELECT 7 AS n"})
    cold = start(runtime=runtime_without_sdk)

    assert cold.invoke({"query": "SELECT n FROM t"})["rows"] == [[7]]
    http = read_sample(next(path for path in SAMPLES if path.stem == "10-http-2.0"))
    http |= {"rawPath": "/read", "body": '{"query": "SELECT n FROM t"}', "isBase64Encoded": False}
    assert json.loads(cold.invoke(http)["body"])["rows"] == [[7]]
    assert cold.invoke({"query": "DELETE FROM t"})["rows_affected"] == 1


@pytest.mark.parametrize("algorithm", ["EdDSA", "RS256"])
def test_a_token_is_checked_with_what_lies_in_the_artifact(
    algorithm: str, start: Start, settings: dict[str, str]
) -> None:
    private, public = rsa() if algorithm == "RS256" else (PRIVATE, PUBLIC)
    auth = {"SQLATCH_TOKEN_KEYS": public, "SQLATCH_HTTP_AUTH": "token"}
    guarded = start(environment=settings | auth)
    token = bearer(time.time(), key=private, algorithm=algorithm)

    def status(token: str) -> int:
        event = v2("POST", "/query", '{"query": "CREATE TABLE IF NOT EXISTS t (n)"}')
        answer = guarded.invoke(event | {"headers": {"authorization": token}})
        return int(answer["statusCode"])

    assert (status(token), status(f"{token[:-9]}AAAAAAAAA")) == (200, 401)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("SQLATCH_DATABASES", "", "SQLATCH_DATABASES: is not set: directory of the database files"),
        ("SQLATCH_LEASES", "", "SQLATCH_LEASES: is not set; on Lambda it is dynamodb:<table>"),
        ("SQLATCH_ROWS_MAX", "many", "SQLATCH_ROWS_MAX: Input should be a valid integer"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    variable: str, value: str, message: str, start: Start, settings: dict[str, str]
) -> None:
    wrong = start(environment=settings | {variable: value})

    for _request in range(2):
        answer = wrong.invoke({"query": "SELECT 1"})
        assert answer["errorType"] == "SettingsError"
        assert answer["errorMessage"].startswith(message)
        assert "\n" not in answer["errorMessage"]
    assert [line["cause"].startswith(message) for line in wrong.requests()] == [True, True]


@pytest.mark.parametrize(
    ("variable", "value", "cause"),
    [
        ("SQLATCH_DATABASES", "/nowhere", "No such file or directory: /nowhere"),
        ("SQLATCH_LEASES", "dynamodb:nowhere", "the lease table 'nowhere'"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "the lease table does not answer"),
    ],
)
def test_missing_storage_is_an_error_with_its_cause_in_the_log(
    variable: str, value: str, cause: str, start: Start, settings: dict[str, str]
) -> None:
    wrong = start(environment=settings | {variable: value})

    answer = wrong.invoke({"query": "CREATE TABLE t (n)", "timeout_ms": 1000})

    assert answer["errorType"] == "StorageError"
    (line,) = wrong.requests()
    assert line["code"] == "STORAGE_ERROR"
    assert cause in line["cause"]
