"""A request that is sent again: what it committed is answered from its record, the rest is run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from handler import local
from handler.service import Service
from sqlatch.kernel.errors import IdempotencyConflict
from tests.hrana.client import Client, execute, plain

Send = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def tables(client: Client) -> None:
    client.stream().ask(
        execute("CREATE TABLE parent (id INTEGER PRIMARY KEY, name UNIQUE)"),
        execute("CREATE TABLE child (parent REFERENCES parent, name)"),
        execute("CREATE TABLE log (said)"),
        execute("INSERT INTO parent VALUES (1, 'a')"),
    )


@pytest.fixture(params=["key", "baton"])
def send(request: pytest.FixtureRequest, client: Client) -> Send:
    """Send one request as often as it is called: with one key, or with one baton."""
    headers, baton = {}, None
    if request.param == "key":
        headers = {"idempotency-key": "k"}
    else:
        stored = {"type": "store_sql", "sql_id": 1, "sql": "SELECT 1"}
        baton = client.pipeline(stored)["baton"]
    sender = Client(client.token, headers=headers)
    return lambda *requests: sender.pipeline(*requests, baton=baton)


def step(sql: str, condition: Any = None) -> dict[str, Any]:
    return {"stmt": {"sql": sql}, "condition": condition}


def batch(*steps: Any) -> dict[str, Any]:
    return {"type": "batch", "batch": {"steps": list(steps)}}


def log(said: str) -> str:
    return f"INSERT INTO log VALUES ('{said}')"


IF_OK, IF_ERROR = {"type": "ok", "step": 0}, {"type": "error", "step": 0}
IF_AUTOCOMMIT = {"type": "is_autocommit"}
TAKE = "INSERT INTO parent VALUES (1, 'b')"

REQUESTS: dict[str, list[Any]] = {
    "a step skipped at first": [batch(step(TAKE), step(log("x"), IF_OK), step(log("y")))],
    "either of two steps": [batch(step(TAKE), step(log("x"), IF_OK), step(log("y"), IF_ERROR))],
    "a transaction skipped at first": [
        batch(
            step(TAKE),
            step("BEGIN", IF_OK),
            step(log("x")),
            step("COMMIT", {"type": "not", "cond": IF_AUTOCOMMIT}),
            step("BEGIN"),
            step(log("y")),
            step("COMMIT"),
        )
    ],
    "a transaction that SQLite ends": [
        batch(
            step("BEGIN"),
            step("INSERT OR ROLLBACK INTO parent VALUES (1, 'b')"),
            step(log("x"), IF_AUTOCOMMIT),
            step("COMMIT", {"type": "not", "cond": IF_AUTOCOMMIT}),
            step(log("y")),
        )
    ],
    "a script that stops at its first error": [
        {"type": "sequence", "sql": f"{log('x')}; {TAKE}; {log('y')}"},
        execute(log("z")),
    ],
    "a savepoint that commits": [
        execute(TAKE),
        execute("SAVEPOINT a"),
        execute(log("x")),
        {"type": "get_autocommit"},
        execute("RELEASE a"),
        {"type": "get_autocommit"},
    ],
    "a description of what the request itself makes": [
        execute("BEGIN"),
        execute("CREATE TABLE made (n)"),
        {"type": "describe", "sql": "SELECT n FROM made"},
        {"type": "describe", "sql": "SELECT id FROM parent WHERE id = :id"},
        execute("SELECT count(*) FROM parent"),
        execute("COMMIT"),
    ],
    "foreign keys off for some": [
        execute("PRAGMA foreign_keys = off"),
        execute("INSERT INTO child VALUES (99, 'x')"),
        execute("PRAGMA foreign_keys = on"),
        execute("INSERT INTO child VALUES (99, 'x')"),
        execute(log("x")),
    ],
    "reads between commits": [
        execute("SELECT count(*) FROM parent"),
        execute(log("x")),
        execute("SELECT count(*) FROM parent"),
        execute(log("y"), want_rows=False),
    ],
}


@pytest.mark.parametrize("requests", REQUESTS.values(), ids=REQUESTS)
def test_a_repeat_gives_the_first_answers_and_applies_nothing_again(
    requests: list[Any], send: Send, client: Client
) -> None:
    first = send(*requests)["results"]
    said = client.rows("SELECT * FROM log")
    client.stream().execute("DELETE FROM parent")
    client.stream().execute("INSERT INTO parent VALUES (7, 'other')")

    for _time in range(2):
        assert send(*requests)["results"] == first
    assert client.rows("SELECT * FROM log") == said
    assert client.rows("SELECT id FROM parent") == [[7]]


def test_what_is_behind_the_last_commit_is_run_again(send: Send, client: Client) -> None:
    requests = [
        execute("INSERT INTO parent (name) VALUES ('b')"),
        execute("SELECT last_insert_rowid(), count(*) FROM parent"),
    ]
    send(*requests)
    client.stream().execute("INSERT INTO parent (name) VALUES ('c')")

    inserted, read = (one["response"]["result"] for one in send(*requests)["results"])
    assert inserted["last_insert_rowid"] == "2"
    assert plain(read) == [[2, 3]]


def test_a_child_of_a_repeat_stands_under_the_parent_of_the_first(
    send: Send, client: Client
) -> None:
    requests = [
        execute("INSERT INTO parent (name) VALUES ('b')"),
        execute("INSERT INTO child SELECT last_insert_rowid(), 'x' WHERE (SELECT * FROM log)"),
        execute("BEGIN"),
        execute("INSERT INTO child SELECT last_insert_rowid(), 'y'"),
    ]
    send(*requests)
    client.stream().execute(log("1"))
    baton = send(*requests)["baton"]
    client.pipeline(execute("COMMIT"), baton=baton)

    assert client.rows("SELECT * FROM child") == [[2, "y"]]


@pytest.mark.parametrize("before", ["describe", "get_autocommit", "execute", "sequence"])
def test_a_commit_sent_again_behind_anything_is_answered_alike(
    client: Client, other: Client, before: str
) -> None:
    asked: dict[str, Any] = {"type": before}
    if before == "execute":
        asked = execute("SELECT count(*) FROM parent")
    elif before != "get_autocommit":
        asked["sql"] = "SELECT count(*) FROM parent"
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO parent (name) VALUES ('b')")
    requests = [asked, execute("COMMIT"), execute(log("x"))]

    first = client.pipeline(*requests, baton=stream.baton)["results"]
    other.stream().execute("DROP TABLE parent")
    assert client.pipeline(*requests, baton=stream.baton)["results"] == first
    assert client.rows("SELECT * FROM log") == [["x"]]


def test_a_rollback_behind_a_commit_whose_answer_was_lost_does_not_say_that_it_rolled_back(
    client: Client,
) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute(log("x"))
    client.pipeline(execute("COMMIT"), baton=stream.baton)

    status, body = client.send(
        "/v3/pipeline", {"baton": stream.baton, "requests": [execute("ROLLBACK")]}
    )
    assert (status, body["code"]) == (400, "BAD_BATON")
    assert "is committed" in body["message"]


def test_a_key_used_for_another_request_is_refused(client: Client) -> None:
    keyed = Client(client.token, headers={"idempotency-key": "k"})
    keyed.pipeline(execute(log("x")))

    for requests in ([execute(log("y"))], [execute("SELECT 1 FROM log")]):
        status, body = keyed.send("/v3/pipeline", {"requests": requests})
        assert (status, body["code"]) == (409, "IDEMPOTENCY_CONFLICT")
    assert client.rows("SELECT * FROM log") == [["x"]]


def test_a_key_used_for_another_pipeline_is_refused_as_the_direct_door_says_it(
    client: Client,
) -> None:
    local.invoke({"pipeline": {"requests": [execute(log("x"))]}, "idempotency_key": "k"})

    with pytest.raises(IdempotencyConflict):
        local.invoke({"pipeline": {"requests": [execute(log("y"))]}, "idempotency_key": "k"})
    assert client.rows("SELECT * FROM log") == [["x"]]


@pytest.mark.parametrize("path", ["/v1/execute", "/v1/batch", "/v3/cursor"])
def test_a_repeat_with_a_key_is_known_on_every_path(client: Client, path: str) -> None:
    keyed = Client(client.token, headers={"idempotency-key": "k"})
    steps = {"steps": [step(TAKE), step(log("x"), IF_OK), step(log("y"))]}
    body = {"stmt": {"sql": log("y")}} if path == "/v1/execute" else {"batch": steps}
    first = keyed.send(path, body)
    client.stream().execute("DELETE FROM parent")
    again = keyed.send(path, body)

    if path == "/v3/cursor":
        # The first line is the baton, which tells the time.
        first[1].pop(0)
        again[1].pop(0)
    assert again == first
    assert client.rows("SELECT * FROM log") == [["y"]]


@pytest.mark.parametrize("known_by", ["key", "baton"])
@pytest.mark.parametrize("copied_before", [1, 2, 3])
def test_a_copy_that_commits_beside_it_is_known_under_the_lease(
    client: Client, monkeypatch: pytest.MonkeyPatch, copied_before: int, known_by: str
) -> None:
    """A client gave up waiting and sent the request again, while the first waits for the lease."""
    requests = [
        execute(log("x")),
        batch(step(TAKE), step(log("y"), IF_OK)),
        execute("SELECT count(*) FROM parent"),
        execute(log("z")),
    ]
    keyed, baton = Client(client.token, headers={"idempotency-key": "k"}), None
    if known_by == "baton":
        baton = client.pipeline(execute("BEGIN"))["baton"]
        requests.insert(1, execute("COMMIT"))
    writing = Service.writing
    writes = count(1)
    copies: list[Any] = []

    @contextmanager
    def overtaken(service: Service, *arguments: Any, **settings: Any) -> Iterator[Any]:
        if not copies and next(writes) == copied_before:
            copies.append(None)
            if copied_before > 1:
                client.stream().execute("DELETE FROM parent")
            copies[:] = [keyed.pipeline(*requests, baton=baton)["results"]]
        with writing(service, *arguments, **settings) as grant:
            yield grant

    monkeypatch.setattr(Service, "writing", overtaken)
    first = keyed.pipeline(*requests, baton=baton)["results"]

    assert [first] == copies
    assert keyed.pipeline(*requests, baton=baton)["results"] == first
    said = client.rows("SELECT * FROM log")
    assert said == ([["x"], ["z"]] if copied_before == 1 else [["x"], ["y"], ["z"]])
