"""The baton: signed, bound, short-lived with a transaction open, in a file if it is large."""

import base64
import os
from typing import Any

import pytest

from handler import local
from handler.service import service
from handler.streams import StreamDatabase
from hrana import baton as batons
from hrana import state as states
from sqlatch.kernel.errors import BadEvent
from tests.hrana.client import Client, execute, plain
from tests.hrana.conftest import token
from tests.hrana.shelf import age, count_written, on_each_shelf, shelf, size_bytes
from tests.hrana.test_batch import nested

SCHEDULE = {"source": "aws.events"}


def opened(client: Client) -> str:
    """The baton of a stream whose transaction is open and has written."""
    client.stream().execute("CREATE TABLE IF NOT EXISTS t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    assert stream.baton is not None
    return stream.baton


def refusal(client: Client, baton: Any, *requests: Any) -> tuple[int, str]:
    body = {"baton": baton, "requests": requests or [execute("COMMIT")]}
    status, answer = client.send("/v2/pipeline", body)
    return status, answer["code"]


def nothing_happened(client: Client) -> None:
    assert client.rows("SELECT n FROM t") == []
    assert service().held_leases() == []


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let time pass for the service."""

    def later(seconds: float) -> None:
        now = StreamDatabase.now
        monkeypatch.setattr(StreamDatabase, "now", lambda place: now(place) + seconds)

    return later


def test_a_baton_changed_by_any_byte_is_refused(client: Client) -> None:
    baton = opened(client)
    content = bytearray(base64.urlsafe_b64decode(baton + "=" * (-len(baton) % 4)))
    for place in range(len(content)):
        changed = content.copy()
        changed[place] ^= 1
        text = base64.urlsafe_b64encode(changed).decode().rstrip("=")
        assert refusal(client, text) == (400, "BAD_BATON"), place
    for text in (baton + "=", baton[:-4], "", "x", "é", baton + "AAAA"):
        assert refusal(client, text) == (400, "BAD_BATON"), text
    nothing_happened(client)


def test_a_baton_is_bound_to_its_database_and_its_token(client: Client) -> None:
    baton = opened(client)
    stranger = Client(token(lifetime_s=700))
    elsewhere = Client(client.token, "other")

    assert refusal(stranger, baton) == (400, "BAD_BATON")
    assert refusal(elsewhere, baton) == (400, "BAD_BATON")
    nothing_happened(client)


def test_an_open_transaction_expires_when_it_is_idle(client: Client, later: Any) -> None:
    baton = opened(client)
    later(batons.IDLE_S - 20)
    renewed = client.pipeline(execute("SELECT 1"), baton=baton)["baton"]
    later(batons.IDLE_S - 20)
    assert refusal(client, baton) == (400, "STREAM_EXPIRED")
    renewed = client.pipeline(execute("SELECT 1"), baton=renewed)["baton"]
    later(batons.IDLE_S + 2)

    assert refusal(client, renewed) == (400, "STREAM_EXPIRED")
    nothing_happened(client)


def test_a_stream_without_a_transaction_does_not_expire(client: Client, later: Any) -> None:
    stream = client.stream()
    stream.ask({"type": "store_sql", "sql_id": 1, "sql": "SELECT 1"})
    later(500)

    assert stream.ask({"type": "execute", "stmt": {"sql_id": 1}})[0]["type"] == "ok"


def test_there_is_no_null_baton_while_a_transaction_is_open(client: Client) -> None:
    for requests in ([execute("BEGIN")], [execute("SAVEPOINT a"), execute("SELECT nothing")]):
        body = client.pipeline(*requests)
        assert body["baton"] is not None
    assert client.pipeline(execute("BEGIN"), {"type": "close"})["baton"] is None


def test_a_stream_that_is_closed_takes_no_more(client: Client) -> None:
    status, _code = refusal(client, None, {"type": "close"}, execute("SELECT 1"))
    assert status == 400


@on_each_shelf
def test_a_large_log_lies_where_the_databases_do_until_the_reaper_clears_it(client: Client) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (?)", os.urandom(40_000).hex())
    assert stream.baton is not None
    assert len(stream.baton) < 1_000
    stream.execute("UPDATE t SET n = 1")
    assert 40_000 < size_bytes() < 60_000
    assert local.invoke(SCHEDULE)["streams_cleared"] == 0
    stream.execute("COMMIT")
    assert client.rows("SELECT n FROM t") == [[1]]

    age(1_000)
    assert local.invoke(SCHEDULE)["streams_cleared"] == 1
    assert size_bytes() == 0
    stream.execute("SELECT 1")


@on_each_shelf
def test_a_log_that_was_cleared_is_a_stream_that_has_expired(client: Client) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (?)", os.urandom(40_000).hex())
    shelf().clear(2e10)

    assert refusal(client, stream.baton) == (400, "STREAM_EXPIRED")
    nothing_happened(client)


@pytest.mark.parametrize(
    ("name", "value", "statement"),
    [("STATEMENTS_MAX", 3, "INSERT INTO t VALUES (1)"), ("LOG_BYTES_MAX", 500, "SELECT 1")],
)
def test_a_transaction_has_a_limit_and_says_so(
    client: Client, monkeypatch: pytest.MonkeyPatch, name: str, value: int, statement: str
) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    monkeypatch.setattr(states, name, value)
    stream = client.stream()
    stream.execute("BEGIN")
    for _number in range(3):
        stream.execute(statement + " -- " + "x" * 100)

    assert stream.refused(statement)["code"] == "TRANSACTION_TOO_LARGE"
    stream.execute("COMMIT")


@pytest.mark.parametrize("form", ["batch", "sequence", "requests"])
def test_a_transaction_within_one_request_has_no_limit(client: Client, form: str) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    inserts = ["INSERT INTO t VALUES (1)"] * (states.STATEMENTS_MAX + 1)
    whole = ["BEGIN", *inserts, "COMMIT"]
    if form == "batch":
        steps = [{"stmt": {"sql": sql}} for sql in whole]
        (result,) = client.stream().ask({"type": "batch", "batch": {"steps": steps}})
        assert not any(result["response"]["result"]["step_errors"])
    elif form == "sequence":
        (result,) = client.stream().ask({"type": "sequence", "sql": ";".join(whole)})
        assert result["type"] == "ok"
    else:
        assert {one["type"] for one in client.stream().ask(*map(execute, whole))} == {"ok"}

    assert client.rows("SELECT count(*) FROM t") == [[states.STATEMENTS_MAX + 1]]


def test_a_transaction_too_large_to_go_on_in_another_request_can_only_be_rolled_back(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    monkeypatch.setattr(states, "STATEMENTS_MAX", 3)
    stream = client.stream()
    stream.ask(execute("BEGIN"), *[execute("INSERT INTO t VALUES (0)")] * 3)
    stream.execute("COMMIT")
    stream.execute("DELETE FROM t")
    stream.ask(execute("BEGIN"), *[execute("INSERT INTO t VALUES (1)")] * 4)

    assert stream.refused("INSERT INTO t VALUES (2)")["code"] == "TRANSACTION_TOO_LARGE"
    assert "left open" in stream.refused("COMMIT")["message"]
    nothing_happened(client)
    stream.execute("ROLLBACK")
    stream.execute("INSERT INTO t VALUES (3)")
    assert client.rows("SELECT n FROM t") == [[3]]


BAD_BODIES: list[Any] = [
    "",
    "{",
    "[]",
    {},
    {"requests": None},
    {"requests": [{"type": "nonsense"}]},
    {"requests": [{"type": "execute"}]},
    {"requests": [execute("INSERT INTO t VALUES (1)"), {"type": "execute", "stmt": {}}]},
    {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1", "sql_id": 1}}]},
    {
        "requests": [
            execute("INSERT INTO t VALUES (1)"),
            {"type": "execute", "stmt": {"sql_id": 9}},
        ]
    },
    {
        "requests": [
            execute("INSERT INTO t VALUES (1)"),
            {
                "type": "batch",
                "batch": {
                    "steps": [{"stmt": {"sql": "SELECT 1"}, "condition": {"type": "ok", "step": 0}}]
                },
            },
        ]
    },
    {"baton": 5, "requests": []},
    {"requests": [execute("INSERT INTO t VALUES (1)"), execute("SELECT '\0'")]},
    {"requests": [execute("INSERT INTO t VALUES (1)"), {"type": "sequence", "sql": "SELECT 1;\0"}]},
    {"requests": [{"type": "store_sql", "sql_id": 2**31, "sql": "SELECT 1"}]},
    {"requests": [{"type": "describe", "sql": "\0"}]},
    '{"requests": [{"type": "execute", "stmt": {"sql": "SELECT \\ud800"}}]}',
    '{"requests": ' + "[" * 400 + "]" * 400 + "}",
]


@pytest.mark.parametrize(
    "pipeline",
    [
        nested(400),
        {"requests": [execute("SELECT ?", "\ud800")]},
        {"requests": [execute("SELECT '\ud800'")]},
        {"requests": [execute("SELECT '\0'")]},
        {"requests": [], "\ud800": 1},
    ],
    ids=range(5),
)
def test_a_direct_pipeline_that_is_not_json_is_a_bad_event(environment: Any, pipeline: Any) -> None:
    with pytest.raises(BadEvent):
        local.invoke({"pipeline": pipeline})


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_body_that_breaks_the_protocol_is_refused_before_anything_runs(
    client: Client, body: Any
) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    status, answer = client.send("/v3/pipeline", body)

    assert (status, sorted(answer)) == (400, ["code", "message"])
    nothing_happened(client)


def test_a_token_is_asked_for_and_holds_for_what_it_says(client: Client) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    written = {"requests": [execute("INSERT INTO t VALUES (1)")]}
    for bad in ("", "x", token(databases=["other"])):
        status, body = Client(bad).send("/v2/pipeline", written)
        assert (status, body["code"]) == (401, "UNAUTHORIZED")
    reader = Client(token(access="ro"))
    assert reader.rows("SELECT count(*) FROM t") == [[0]]
    for sql in ("INSERT INTO t VALUES (1)", "VACUUM", "CREATE TABLE u (n)"):
        assert reader.stream().refused(sql)["code"] == "SQLITE_READONLY"
    stream = reader.stream()
    stream.execute("BEGIN")
    assert stream.refused("INSERT INTO t VALUES (1)")["code"] == "SQLITE_READONLY"
    stream.execute("COMMIT")
    nothing_happened(client)


def large(number: int) -> str:
    """A statement of 5 KB that does not get smaller."""
    return f"INSERT INTO t VALUES ('{os.urandom(2_500).hex()}') -- {number}"


@on_each_shelf
def test_what_a_transaction_writes_on_the_shelf_grows_with_its_statements_alone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    service().batons.prepare("main")
    written = count_written(monkeypatch)
    client.stream().execute("CREATE TABLE t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    after = []
    for number in range(120):
        stream.execute(large(number))
        after.append(sum(written))

    assert max(written[40:]) < 5_000, "a statement at a time"
    assert after[119] - after[79] < 1.1 * (after[79] - after[39])
    assert sum(written) == size_bytes()
    stream.execute("COMMIT")
    assert client.rows("SELECT count(*) FROM t") == [[120]]


@on_each_shelf
def test_a_request_sent_again_with_an_old_baton_goes_on_with_the_log_as_it_was(
    client: Client,
) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    for number in range(20):
        stream.execute(large(number))
    old = stream.baton
    stream.execute("INSERT INTO t VALUES ('lost')")
    again = [client.pipeline(execute(f"INSERT INTO t VALUES ({n})"), baton=old) for n in (1, 2)]
    stream.execute("INSERT INTO t VALUES ('lost too')")
    # The answers of all requests but one were lost: any of them may be the one.
    client.pipeline(execute("COMMIT"), baton=again[0]["baton"])

    assert client.rows("SELECT count(*) FROM t") == [[21]]
    assert client.rows("SELECT n FROM t WHERE length(n) < 10") == [[1]]
    for baton in (stream.baton, again[1]["baton"], old):
        assert refusal(client, baton) == (400, "BAD_BATON")


@pytest.fixture
def texts_stream(client: Client) -> Any:
    """A stream whose texts are too large for its baton."""
    stream = client.stream()
    texts = {number: f"SELECT {number} -- {os.urandom(20_000).hex()}" for number in (1, 2, 3)}
    stream.ask(*({"type": "store_sql", "sql_id": n, "sql": sql} for n, sql in texts.items()))
    assert stream.baton is not None
    assert len(stream.baton) < 1_000
    return stream


@on_each_shelf
def test_a_stream_that_only_stores_texts_outlives_the_reaper(texts_stream: Any) -> None:
    for _time in range(2):
        age(0.9 * 86_400)
        assert local.invoke(SCHEDULE)["streams_cleared"] == 0
        (result,) = texts_stream.ask({"type": "execute", "stmt": {"sql_id": 2}})
        assert plain(result["response"]["result"]) == [[2]]
    texts_stream.ask({"type": "close_sql", "sql_id": 1}, {"type": "close_sql", "sql_id": 2})
    (result,) = texts_stream.ask({"type": "execute", "stmt": {"sql_id": 3}})
    assert plain(result["response"]["result"]) == [[3]]


@on_each_shelf
def test_texts_on_the_shelf_are_kept_for_a_day(client: Client, texts_stream: Any) -> None:
    age(1.1 * 86_400)
    assert local.invoke(SCHEDULE)["streams_cleared"] == 1

    body = {"baton": texts_stream.baton, "requests": [{"type": "execute", "stmt": {"sql_id": 2}}]}
    status, answer = client.send("/v3/pipeline", body)
    assert (status, answer["code"]) == (400, "STREAM_EXPIRED")
    assert "store them again" in answer["message"]


@on_each_shelf
def test_a_transaction_that_only_reads_keeps_its_log_on_the_shelf(client: Client) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (?)", os.urandom(40_000).hex())
    for _time in range(2):
        age(100)
        stream.ask({"type": "get_autocommit"})
        assert local.invoke(SCHEDULE)["streams_cleared"] == 0
    stream.execute("COMMIT")

    assert client.rows("SELECT count(*) FROM t") == [[1]]


@on_each_shelf
@pytest.mark.parametrize("characters", [1, 80_000])
def test_a_commit_sent_again_when_its_stream_has_expired_has_its_answer(
    client: Client, later: Any, characters: int
) -> None:
    client.stream().execute("CREATE TABLE t (n)")
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (?)", os.urandom(characters).hex())
    used = stream.baton
    first = client.pipeline(execute("COMMIT"), execute("SELECT 1"), baton=used)
    later(500)
    shelf().clear(2e10)

    again = client.pipeline(execute("COMMIT"), execute("SELECT 1"), baton=used)
    assert again["results"] == first["results"]
    assert refusal(client, used, execute("ROLLBACK")) == (400, "BAD_BATON")
