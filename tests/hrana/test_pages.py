"""Rows past the limit of one answer: refused alike at each endpoint, and read in pages."""

from typing import Any

import pytest

from handler.service import service
from tests.conftest import forget
from tests.hrana.client import Client, batch, execute, plain, results, step, stmt

SQL = "SELECT n FROM t ORDER BY n"


@pytest.fixture
def numbers(client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """A client of a database with more rows than an answer may have."""
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "100")
    forget(service)
    numbers = "WITH RECURSIVE i (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM i WHERE n < 249)"
    client.rows(f"CREATE TABLE t AS {numbers} SELECT n FROM i")
    client.rows("CREATE TABLE few AS SELECT n FROM t WHERE n < 100")
    return client


def test_each_endpoint_has_the_limit_of_rows_that_the_others_have(numbers: Client) -> None:
    def told(sql: str) -> list[Any]:
        (of_pipeline,) = results(numbers, execute(sql))
        (of_batch,) = results(numbers, {"type": "batch", "batch": batch(step(sql))})
        _status, alone = numbers.send("/v1/execute", {"stmt": stmt(sql)})
        _status, together = numbers.send("/v1/batch", {"batch": batch(step(sql))})
        _status, lines = numbers.send("/v3/cursor", {"baton": None, "batch": batch(step(sql))})
        return [
            of_pipeline.get("error"),
            of_batch["response"]["result"]["step_errors"][0],
            None if "result" in alone else alone,
            together["result"]["step_errors"][0],
            next((line["error"] for line in lines if line.get("type") == "step_error"), None),
        ]

    assert told("SELECT n FROM few") == [None] * 5
    (refusal, *others) = told(SQL)
    assert refusal["code"] == "RESPONSE_TOO_LARGE"
    assert "the limit is 100 rows; read it in parts by a key" in refusal["message"]
    assert others == [refusal] * 4


@pytest.mark.parametrize("begin", [[], ["BEGIN"], ["BEGIN", "INSERT INTO few VALUES (1)"]])
def test_a_statement_is_read_page_by_page(numbers: Client, begin: list[str]) -> None:
    stream = numbers.stream()
    for sql in begin:
        stream.execute(sql)

    rows, page = [], "first"
    while page is not None:
        (result,) = stream.ask(execute(SQL, page=page))
        rows += plain(result["response"]["result"])
        page = result["response"]["result"]["page"]

    assert rows == [[n] for n in range(250)]


def test_a_page_goes_on_where_its_result_began_and_nowhere_else(numbers: Client) -> None:
    inside, outside = numbers.stream(), numbers.stream()
    inside.execute("BEGIN")
    pages = []
    for stream in (inside, outside):
        (result,) = stream.ask(execute(SQL, page="first"))
        pages.append(result["response"]["result"]["page"])
    of_inside, of_outside = pages

    for stream, page in ((inside, of_outside), (outside, of_inside), (inside, "x"), (outside, "x")):
        (refused,) = stream.ask(execute(SQL, page=page))
        assert refused["error"]["code"] == "BAD_EVENT", refused
    (other,) = outside.ask(execute("SELECT n FROM few ORDER BY n", page=of_outside))
    assert other["error"]["code"] == "BAD_EVENT"
    (second,) = inside.ask(execute(SQL, page=of_inside))
    assert len(second["response"]["result"]["rows"]) == 100
    for sql in ("COMMIT", "BEGIN"):
        inside.execute(sql)
    (later,) = inside.ask(execute(SQL, page=of_inside))
    assert later["error"]["code"] == "BAD_EVENT"
    numbers.rows("INSERT INTO few VALUES (1)")
    (changed,) = outside.ask(execute(SQL, page=of_outside))
    assert changed["error"]["code"] == "DATABASE_CHANGED"


def test_a_write_has_no_pages(numbers: Client) -> None:
    (result,) = results(numbers, execute("DELETE FROM few RETURNING n", page="first"))

    assert len(result["response"]["result"]["rows"]) == 100
    assert "page" not in result["response"]["result"]
