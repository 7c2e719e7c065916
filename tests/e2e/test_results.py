"""Replies at their limit: past it RESULT_TOO_LARGE, just below it they reach the caller whole."""

import json
import re
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.e2e.emulator import Instance

SERIES = (
    "WITH RECURSIVE i(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i WHERE n < ?) SELECT {} FROM i"
)
MANY = 2_000_000
ROWS = {
    "short texts": "'a', 'b', 'c'",
    "small integers": "1, 2, 3, 4",
    "quotes and backslashes": "printf('%.*c', 500, '\"'), printf('%.*c', 500, '\\')",
    "control characters": "replace(hex(zeroblob(50)), '00', char(1))",
    "small reals": "1e-7, 1e-8, 1e-9, 1e-7, 1e-8, 1e-9, 1e-7, 1e-8, 1e-9",
    "letters beyond ASCII": "replace(hex(zeroblob(50)), '00', 'é😀' || char(8232))",
    "blobs": "randomblob(100)",
    "infinite reals": "9e999, -9e999",
}


def http(request: dict[str, Any], **headers: str) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": "/query",
        "headers": headers,
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "body": json.dumps(request),
        "isBase64Encoded": False,
    }


def series(expressions: str, rows: int, **more: Any) -> dict[str, Any]:
    return {"query": SERIES.format(expressions), "parameters": [rows], "timeout_ms": 28_000, **more}


@pytest.fixture
def generous(start: Start, settings: dict[str, str]) -> Instance:
    """An instance that counts bytes, with rows to spare; with a database to ask."""
    generous = start(environment=settings | {"SQLATCH_ROWS_MAX": "1000000"})
    generous.invoke({"query": "CREATE TABLE t (n)"})
    return generous


def rows_that_pass(refusal: str) -> int:
    """Return how many rows are below the limit, by where it was passed and by how much."""
    found = re.search(
        r"after ([\d,]+) rows and ([\d,]+) bytes: the limit is ([\d,]+) bytes", refusal
    )
    assert found is not None, refusal
    rows, size, limit = (int(number.replace(",", "")) for number in found.groups())
    return int(limit / (size / rows) * 0.9999)


@pytest.mark.parametrize("rows_as", ["arrays", "objects"])
@pytest.mark.parametrize("kind", ROWS)
def test_the_largest_reply_that_is_allowed_reaches_a_direct_caller(
    kind: str, rows_as: str, generous: Instance
) -> None:
    refused = generous.invoke(series(ROWS[kind], MANY, rows_as=rows_as))
    assert refused["errorType"] == "ResultTooLarge"
    rows = rows_that_pass(refused["errorMessage"])

    assert len(generous.invoke(series(ROWS[kind], rows, rows_as=rows_as))["rows"]) == rows


@pytest.mark.parametrize("kind", ROWS)
def test_the_largest_reply_that_is_allowed_reaches_an_http_caller(
    kind: str, generous: Instance
) -> None:
    refused = generous.invoke(http(series(ROWS[kind], MANY)))
    error = json.loads(refused["body"])["error"]
    assert (refused["statusCode"], error["code"]) == (413, "RESULT_TOO_LARGE")
    rows = rows_that_pass(error["message"])

    answer = generous.invoke(http(series(ROWS[kind], rows)))
    assert answer["statusCode"] == 200
    assert len(json.loads(answer["body"])["rows"]) == rows


def test_names_of_columns_count_too_and_a_write_they_make_too_large_is_undone(
    generous: Instance,
) -> None:
    names = ", ".join(f'"a column with a name of its own {n}"' for n in range(250))
    generous.invoke({"query": f"CREATE TABLE wide ({names})"})
    returning = {"query": "INSERT INTO wide DEFAULT VALUES RETURNING *"}

    refused = generous.invoke({"statements": [returning] * 1000})

    assert refused["errorType"] == "ResultTooLarge"
    assert generous.invoke({"query": "SELECT count(*) FROM wide"})["rows"] == [[0]]


def test_a_kept_reply_that_is_too_large_for_another_door_is_refused_there(
    generous: Instance,
) -> None:
    write = {
        "query": "INSERT INTO t VALUES (printf('%.*c', 2500000, '\"')) RETURNING n",
        "idempotency_key": "k",
    }
    first = generous.invoke(write)

    repeated = generous.invoke(http(write))
    assert json.loads(repeated["body"])["error"]["code"] == "RESULT_TOO_LARGE"
    assert generous.invoke(http(write, **{"accept-encoding": "gzip"}))["statusCode"] == 200
    assert generous.invoke(write)["rows"] == first["rows"]
    assert generous.invoke({"query": "SELECT count(*) FROM t"})["rows"] == [[1]]


def test_an_oversized_write_is_undone_and_the_runtime_lives(start: Start) -> None:
    inspected = start(handler="inspecting.lambda_handler")
    inspected.invoke({"query": "CREATE TABLE t (text)"})
    before = inspected.invoke({"health": True})["process"]

    oversized = "INSERT INTO t VALUES (printf('%.*c', 6000000, 'x')) RETURNING text"
    assert inspected.invoke({"query": oversized})["errorType"] == "ResultTooLarge"

    after = inspected.invoke({"query": "SELECT count(*) FROM t"})
    assert (after["reply"]["rows"], after["process"]) == ([[0]], before)
