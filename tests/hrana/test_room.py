"""The room of an answer is known before the commit that it tells of."""

import json
from typing import Any

import pytest
from pydantic_core import to_json

from events import http
from events.values import escapes_bytes
from handler import local
from handler.service import service
from hrana import room
from hrana.outcomes import empty_outcome
from hrana.refusals import StatementRefused
from hrana.responses import entries_of
from tests.handler.test_bad_input import ENDLESS
from tests.hrana.client import Client, execute
from tests.hrana.shelf import break_it, on_each_shelf


def steps(*texts: str) -> dict[str, Any]:
    return {"batch": {"steps": [{"stmt": {"sql": sql}} for sql in texts]}}


@pytest.fixture
def table(client: Client) -> str:
    client.stream().execute("CREATE TABLE t (n)")
    return "INSERT INTO t VALUES (1)"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answers of 100,000 bytes at most."""
    monkeypatch.setattr(room, "AROUND_BYTES", 10_000)
    for module in (room, http):
        monkeypatch.setattr(module, "ANSWER_BYTES_MAX", 100_000)


def test_more_steps_than_can_be_answered_are_refused_before_any_runs(
    client: Client, table: str
) -> None:
    status, body = client.send("/v1/batch", steps(table, *["SELECT nothing"] * 74_000))

    assert (status, body["code"]) == (413, "RESPONSE_TOO_LARGE")
    assert "send them in several requests" in body["message"]
    assert client.rows("SELECT count(*) FROM t") == [[0]]


def test_rows_that_a_cursor_cannot_tell_are_not_deleted(client: Client, table: str) -> None:
    local.invoke({"query": "INSERT INTO t VALUES (?)", "parameter_sets": [[12345]] * 100_000})

    status, lines = client.send("/v3/cursor", steps("DELETE FROM t RETURNING n"))

    assert (status, lines[1]["error"]["code"]) == (200, "RESPONSE_TOO_LARGE")
    assert client.rows("SELECT count(*) FROM t") == [[100_000]]


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("path", ["/v1/batch", "/v3/cursor", "/v3/pipeline"])
def test_error_texts_are_cut_to_what_the_answer_has_room_for(
    client: Client, table: str, path: str
) -> None:
    texts = [table, *[f"SELECT nothing_{'x' * 900}"] * 500]
    body = {"requests": [execute(sql) for sql in texts]} if "pipe" in path else steps(*texts)

    status, answer = client.send(path, body)

    codes = json.dumps(answer).count('"SQLITE_ERROR"')
    assert (status, codes) == (200, 500)
    assert client.rows("SELECT count(*) FROM t") == [[1]]


@pytest.mark.usefixtures("narrow")
def test_columns_and_descriptions_take_room_too(client: Client, table: str) -> None:
    wide = ", ".join(f"c{number} {'long ' * 20}" for number in range(100))
    client.stream().execute(f"CREATE TABLE wide ({wide})")
    select = "SELECT * FROM wide"
    for request in (execute(select), {"type": "describe", "sql": select}):
        results = client.stream().ask(*[request] * 20, execute(table))

        assert results[0]["type"] == "ok"
        assert results[-2]["error"]["code"] == "RESPONSE_TOO_LARGE"
        assert results[-1]["type"] == "ok"


@pytest.mark.usefixtures("narrow")
def test_a_script_of_which_nothing_is_told_takes_no_room(client: Client, table: str) -> None:
    script = "SELECT zeroblob(9000); " * 50 + table
    (result,) = client.stream().ask({"type": "sequence", "sql": script})

    assert result["type"] == "ok"


def test_a_request_behind_close_is_refused_before_any_runs(client: Client, table: str) -> None:
    body = {"requests": [execute(table), {"type": "close"}, execute("SELECT 1")]}

    assert client.send("/v3/pipeline", body)[0] == 400
    assert client.rows("SELECT count(*) FROM t") == [[0]]


@on_each_shelf
@pytest.mark.parametrize("path", ["/v3/pipeline", "/v3/cursor"])
def test_where_no_baton_can_be_signed_nothing_is_committed(
    client: Client, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    local.invoke({"query": "CREATE TABLE t (n)"})
    break_it(monkeypatch)
    insert = "INSERT INTO t VALUES (1)"
    body = steps(insert) if "cursor" in path else {"requests": [execute(insert)]}

    assert client.send(path, body)[0] == 503
    assert local.invoke({"query": "SELECT n FROM t"})["rows"] == []


def test_a_deadline_says_what_stays_of_the_request(
    client: Client, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_TIMEOUT_MS", "400")
    service.cache_clear()
    alone = client.stream().refused(ENDLESS)
    behind = client.stream().ask(execute(table), execute(ENDLESS))[1]["error"]
    script = client.stream().ask({"type": "sequence", "sql": f"{table}; {ENDLESS}"})[0]["error"]
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute(table)
    within = stream.refused(ENDLESS)

    for error in (alone, within):
        assert error["message"].startswith("the deadline passed; nothing was written: give it")
    for error in (behind, script):
        assert error["code"] == "SQLITE_INTERRUPT"
        assert error["message"].startswith(
            "the deadline passed; nothing of this statement was written, and what the request"
            " committed before it stays: give it"
        )
    assert client.rows("SELECT count(*) FROM t") == [[2]]


def test_the_text_of_an_error_that_the_client_wrote_is_left_as_it_is(
    client: Client, table: str
) -> None:
    trigger = (
        "CREATE TRIGGER refuse BEFORE INSERT ON t WHEN NEW.n < 0"
        " BEGIN SELECT RAISE(ABORT, 'nothing was written'); END"
    )
    client.stream().execute(trigger)

    behind_a_commit = client.stream().ask(execute(table), execute("INSERT INTO t VALUES (-1)"))[1]

    assert behind_a_commit["error"]["message"].endswith("nothing was written")


def test_the_least_of_each_result_is_what_is_set_aside() -> None:
    error = StatementRefused(room.FULL, "TRANSACTION_TOO_LARGE").body()
    outcome = empty_outcome()
    responses: list[Any] = [
        {"type": "execute", "result": outcome},
        {"type": "batch", "result": {"step_results": [], "step_errors": []}},
        {"type": "get_autocommit", "is_autocommit": False},
    ]
    results = [{"type": "ok", "response": response} for response in responses]

    assert size(outcome) <= room.OUTCOME_BYTES
    for result in (*results, {"type": "error", "error": error}):
        assert size(result) + 1 <= room.RESULT_BYTES
    for step in ((outcome, None), (None, error)):
        assert sum(map(size, step)) + 2 <= room.STEP_BYTES
        assert sum(size(line) + 2 for line in entries_of(99_999, *step)) <= room.LINES_BYTES
    assert size({"type": "row", "row": []}) + 2 - size([]) <= room.ROW_LINE_BYTES


def size(content: Any) -> int:
    encoded = to_json(content)
    return len(encoded) + escapes_bytes(encoded)
