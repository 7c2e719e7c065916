"""The protocol over HTTP: paths, versions, bodies, cursors, and who may ask."""

from pathlib import Path

import pytest

from tests.hrana.client import Client, batch, execute, results, step, stmt
from tests.hrana.conftest import token
from tests.hrana.test_batch import CONDITIONS, RUN

CREATE = execute("CREATE TABLE made (n)")


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
@pytest.mark.parametrize("database", ["", "main"])
def test_a_probe_says_that_json_is_spoken_and_needs_no_token(
    client: Client, version: str, database: str
) -> None:
    probe = Client("", database, {})
    assert probe.send(f"/{version}", "", method="GET")[0] == 200
    assert probe.send("/v3-protobuf", "", method="GET")[0] == 404


def test_each_request_has_one_result_in_order_and_all_run(client: Client) -> None:
    body = client.pipeline(
        execute("SELECT 1"), execute("SELECT nothing"), execute("SELECT 2"), {"type": "close"}
    )

    assert [result["type"] for result in body["results"]] == ["ok", "error", "ok", "ok"]
    assert body["baton"] is None
    assert body["results"][1]["error"]["code"] == "SQLITE_ERROR"


def test_a_cursor_gives_the_same_line_by_line(client: Client) -> None:
    status, lines = client.send("/v3/cursor", {"batch": CONDITIONS})

    assert status == 200
    assert lines.pop(0).keys() == {"baton", "base_url"}
    assert [line["step"] for line in lines if line["type"] == "step_begin"] == RUN
    assert [line["step"] for line in lines if line["type"] == "step_error"] == [1]
    ends = [line for line in lines if line["type"] == "step_end"]
    assert ends[0] == {"type": "step_end", "affected_row_count": 0, "last_insert_rowid": None}
    rows = [line["row"][0]["value"] for line in lines if line["type"] == "row"]
    assert rows == ["0", "3", "4", "5", "7", "8"]


def test_a_cursor_goes_on_with_a_stream(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("CREATE TABLE t (n)")
    _status, lines = client.send(
        "/v3/cursor", {"baton": stream.baton, "batch": batch(step("INSERT INTO t VALUES (1)"))}
    )
    stream.baton = lines[0]["baton"]
    stream.execute("COMMIT")

    assert client.rows("SELECT n FROM t") == [[1]]


def test_the_first_version_answers_one_statement_or_one_batch(client: Client) -> None:
    status, body = client.send("/v1/execute", {"stmt": stmt("SELECT 1 AS one")})
    assert (status, body["result"]["cols"][0]["name"]) == (200, "one")
    status, body = client.send("/v1/batch", {"batch": CONDITIONS})
    assert (status, len(body["result"]["step_results"])) == (200, len(CONDITIONS["steps"]))
    status, body = client.send("/v1/execute", {"stmt": stmt("SELECT nothing")})
    assert (status, body["code"]) == (400, "SQLITE_ERROR")


def test_a_url_that_names_no_database_is_refused_with_the_one_that_would_work(
    client: Client, directory: Path
) -> None:
    for headers, version, url in (
        ({"host": "db.example.com", "x-forwarded-proto": "https"}, "v2", "https://db.example.com"),
        ({"host": "127.0.0.1:8000"}, "v3", "http://127.0.0.1:8000"),
        ({"host": "a b"}, "v3", "http://HOST"),
    ):
        nameless = Client(client.token, "", headers)
        status, body = nameless.send(f"/{version}/pipeline", {"requests": [CREATE]})
        assert (status, body["code"]) == (400, "DATABASE_NOT_NAMED")
        assert f"{url}/main/ " in body["message"]
    assert not list(directory.glob("*.db"))

    of_one = Client(token(databases=["shop"]), "", {"host": "h"})
    assert "http://h/shop/ " in of_one.send("/v1/execute", {"stmt": stmt("SELECT 1")})[1]["message"]
    assert Client("", "").send("/v2/pipeline", {})[0] == 401


def test_a_client_may_put_a_slash_behind_the_one_of_the_url(client: Client) -> None:
    results(client, CREATE)

    for path in ("//v3/pipeline", "//v2//pipeline/"):
        assert client.send(path, {"requests": [execute("SELECT * FROM made")]})[0] == 200


def test_the_first_version_too_wants_one_text(client: Client) -> None:
    for one in ({}, {"sql_id": 1}, {"sql": "SELECT 1", "sql_id": 1}):
        assert client.send("/v1/execute", {"stmt": one})[0] == 400


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/main/v1/pipeline", "POST", 404),
        ("/main/v2/cursor", "POST", 404),
        ("/main/v3-protobuf/pipeline", "POST", 404),
        ("/main/v2", "POST", 404),
        ("/main/v2/pipeline", "DELETE", 405),
        ("/Main/v2/pipeline", "POST", 400),
        ("/..%2f/v2/pipeline", "POST", 400),
    ],
)
def test_a_path_that_there_is_not_is_refused(
    client: Client, path: str, method: str, status: int
) -> None:
    answered, body = Client(client.token, "").send(path, {"requests": []}, method=method)
    assert (answered, sorted(body)) == (status, ["code", "message"])
