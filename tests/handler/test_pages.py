"""A result read in pages: all of it once, of one state, whatever happens between two pages."""

import base64
import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest

from handler.service import service
from sqlatch.kernel.errors import DatabaseChanged, ResultTooLarge, StatementError
from tests.conftest import Ask, forget

ROWS = 2_500
NUMBERS = "SELECT n, filling FROM t ORDER BY n DESC"
LAMBDA_BYTES_MAX = 6_291_556


@pytest.fixture
def table(ask: Ask) -> None:
    ask(
        statements=[
            {"query": "CREATE TABLE t (n INTEGER PRIMARY KEY, filling)"},
            {"query": "CREATE TABLE other (n)"},
            {
                "query": "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i"
                " WHERE n < ?) INSERT INTO t SELECT n, zeroblob(n % 700) FROM i",
                "parameters": [ROWS],
            },
        ]
    )


def in_pages(ask: Ask, query: str, **fields: Any) -> Iterator[dict[str, Any]]:
    """The replies with the pages of a result, each asked for when it is read."""
    page = "first"
    while page is not None:
        reply = ask(query=query, page=page, **fields)
        yield reply
        page = reply["page"]["next"]


def rows_of(replies: Iterator[dict[str, Any]]) -> list[Any]:
    return [row for reply in replies for row in reply["rows"]]


def by_http(ask: Ask, **headers: str) -> Ask:
    """The same through the HTTP door, whose answers are encoded here."""

    def posted(event: Any = None, /, **fields: Any) -> dict[str, Any]:
        answer = ask({
            "version": "2.0", "rawPath": "/query", "body": json.dumps(fields),
            "headers": {"content-type": "application/json", **headers},
            "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
            "isBase64Encoded": False,
        })  # fmt: skip
        assert len(json.dumps(answer)) < LAMBDA_BYTES_MAX
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = gzip.decompress(base64.b64decode(content))
        reply: dict[str, Any] = json.loads(content)
        return reply

    return posted


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize("door", ["direct", "http", "http with gzip"])
def test_the_pages_are_the_whole_result_and_each_is_below_the_limit_of_a_reply(
    door: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ask(query=NUMBERS)["rows"]
    monkeypatch.setenv("SQLATCH_RESULT_BYTES_MAX", "100000")
    forget(service)
    if door != "direct":
        ask = by_http(ask, **({"accept-encoding": "gzip"} if "gzip" in door else {}))

    replies = list(in_pages(ask, NUMBERS))

    assert rows_of(iter(replies)) == whole
    assert 11 <= len(replies) <= 25  # 1.2 MB of base64
    assert all(reply.get("truncated") for reply in replies[:-1])
    assert "truncated" not in replies[-1]
    assert len({reply["page"]["state"] for reply in replies}) == 1


@pytest.mark.usefixtures("table")
def test_a_page_has_at_most_the_rows_of_a_statement_or_as_many_as_are_asked_for(
    ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "1000")
    forget(service)

    assert [len(one["rows"]) for one in in_pages(ask, NUMBERS)] == [1000, 1000, 500]
    assert [len(one["rows"]) for one in in_pages(ask, NUMBERS, rows_max=1250)] == [1000, 1000, 500]
    assert [len(one["rows"]) for one in in_pages(ask, NUMBERS, rows_max=900)] == [900, 900, 700]
    limited = "SELECT n FROM t WHERE n <= ? LIMIT 500"
    assert [len(one["rows"]) for one in in_pages(ask, limited, parameters=[600])] == [500]
    assert [one["rows"] for one in in_pages(ask, "SELECT n FROM t WHERE n < 0")] == [[]]


@pytest.mark.usefixtures("table")
def test_a_commit_between_two_pages_ends_them_whatever_table_it_changes(
    ask: Ask, refused: Ask
) -> None:
    replies = in_pages(ask, NUMBERS, rows_max=1000)
    page = next(replies)["page"]["next"]
    next(replies)
    assert ask(query="SELECT 1")["rows"] == [[1]]
    ask(query="INSERT INTO other VALUES (1)")

    with pytest.raises(DatabaseChanged):
        next(replies)

    error = refused(query=NUMBERS, rows_max=1000, page=page)
    assert (error["code"], error["rows"], error["retryable"]) == ("DATABASE_CHANGED", 1000, False)


@pytest.mark.usefixtures("table")
def test_chance_and_the_time_are_the_same_in_all_pages(ask: Ask) -> None:
    shuffled = "SELECT n FROM t WHERE n + 0 * unixepoch('now', 'subsec') ORDER BY random()"
    timed = "SELECT DISTINCT unixepoch('now', 'subsec') FROM t"

    found = rows_of(in_pages(ask, shuffled, rows_max=700))

    assert sorted(found) == [[n] for n in range(1, ROWS + 1)]
    assert found != sorted(found)
    assert len(rows_of(in_pages(ask, timed, rows_max=1))) == 1


@pytest.mark.usefixtures("table")
def test_values_are_given_by_place_and_by_name_as_in_any_request(ask: Ask, refused: Ask) -> None:
    by_name = "SELECT n FROM t WHERE n > :from AND n <= $to"
    given = {"from": 10, "to": 13}

    assert rows_of(in_pages(ask, by_name, parameters=given, rows_max=2)) == [[11], [12], [13]]
    assert rows_of(in_pages(ask, "SELECT ?", parameters=["x"])) == [["x"]]
    assert next(in_pages(ask, "SELECT 1 AS one", rows_as="objects"))["rows"] == [{"one": 1}]
    for parameters in ([1], {"from": 1}, {"from": 1, "to": 2, "other": 3}):
        error = refused(query=by_name, parameters=parameters, page="first")
        assert error == refused(query=by_name, parameters=parameters)


@pytest.mark.usefixtures("table")
def test_a_page_is_of_one_statement_that_reads(ask: Ask, refused: Ask) -> None:
    page = ask(query=NUMBERS, page="first", rows_max=10)["page"]["next"]

    assert refused(query="DELETE FROM t", page="first")["code"] == "READ_ONLY"
    assert refused(query=NUMBERS, page="second")["field"] == "page"
    assert refused(query="SELECT n FROM t", page=page)["field"] == "page"
    assert refused(query=f"{NUMBERS} LIMIT ?", parameters=[1], page=page)["field"] == "page"
    ask(database="second", query="CREATE TABLE t (n, filling)")
    assert refused(query=NUMBERS, page=page, database="second")["field"] == "page"
    others: Any = ({"idempotency_key": "k"}, {"max_age_ms": 5}, {"parameter_sets": [[]]})
    for fields in others:
        assert "`page`" in refused(query=NUMBERS, page="first", **fields)["message"]
    assert "`page`" in refused(statements=[{"query": NUMBERS}], page="first")["message"]
    pragma = refused(query="PRAGMA pragma_list", page="first", rows_max=1)
    assert pragma["code"] == "BAD_EVENT"
    assert refused(query=NUMBERS, page="first", database="none")["code"] == "DATABASE_NOT_FOUND"
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[ROWS]]


@pytest.mark.usefixtures("table")
def test_a_row_that_no_reply_can_hold_is_refused_where_it_comes(ask: Ask) -> None:
    ask(query="UPDATE t SET filling = zeroblob(6000000) WHERE n = 1000")
    found: list[Any] = []

    replies = in_pages(ask, "SELECT n, filling FROM t ORDER BY n")
    with pytest.raises(ResultTooLarge):
        found.extend(row for reply in replies for row in reply["rows"])

    assert [n for n, _filling in found] == list(range(1, 1000))


@pytest.mark.usefixtures("table")
def test_the_schema_may_change_between_two_pages_and_then_it_is_another_state(ask: Ask) -> None:
    replies = in_pages(ask, NUMBERS, rows_max=100)
    next(replies)
    ask(query="ALTER TABLE t RENAME TO u")

    with pytest.raises((DatabaseChanged, StatementError)):
        next(replies)


@pytest.mark.usefixtures("table")
def test_the_refusal_of_a_whole_result_says_how_to_get_the_rest(
    refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "1000")
    forget(service)

    assert '"page": "first"' in refused(query=NUMBERS)["message"]
