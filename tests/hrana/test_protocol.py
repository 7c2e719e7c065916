"""The protocol as its specification has it, also the parts that few clients use."""

from pathlib import Path
from typing import Any

import pytest

from tests.hrana.client import Client, execute, plain, value
from tests.hrana.conftest import token

OK, ERROR = "ok", "error"
CREATE = execute("CREATE TABLE made (n)")


def results(client: Client, *requests: Any) -> list[Any]:
    return client.pipeline(*requests, {"type": "close"})["results"][:-1]


def response(client: Client, request: Any) -> Any:
    (result,) = results(client, request)
    assert result["type"] == OK, result
    return result["response"]


def stmt(sql: str, **fields: Any) -> dict[str, Any]:
    return {"sql": sql, **fields}


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

    assert [result["type"] for result in body["results"]] == [OK, ERROR, OK, OK]
    assert body["baton"] is None
    assert body["results"][1]["error"]["code"] == "SQLITE_ERROR"


def test_a_result_says_columns_types_counts_and_rowid(client: Client) -> None:
    results(client, execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(10), n)"))
    inserted = response(client, execute("INSERT INTO t (name) VALUES ('a'), ('b')"))["result"]
    assert (inserted["affected_row_count"], inserted["last_insert_rowid"]) == (2, "2")
    assert (inserted["cols"], inserted["rows"]) == ([], [])

    selected = response(client, execute("SELECT *, 1 AS one FROM t"))["result"]
    assert selected["cols"] == [
        {"name": "id", "decltype": "INTEGER"},
        {"name": "name", "decltype": "VARCHAR(10)"},
        {"name": "n", "decltype": None},
        {"name": "one", "decltype": None},
    ]
    assert selected["last_insert_rowid"] is None
    hidden = response(client, execute("SELECT * FROM t", want_rows=False))["result"]
    assert (hidden["rows"], len(hidden["cols"])) == ([], 3)


VALUES: list[Any] = [
    {"type": "null"},
    {"type": "integer", "value": "-9223372036854775808"},
    {"type": "float", "value": 0.1},
    {"type": "text", "value": 'é 💡 " \\ \n'},
    {"type": "blob", "base64": "AAH+/w"},
    {"type": "blob", "base64": ""},
]


def test_values_of_every_type_come_back_as_they_were_sent(client: Client) -> None:
    marks = ", ".join("?" * len(VALUES))
    row = response(client, {"type": "execute", "stmt": stmt(f"SELECT {marks}", args=VALUES)})
    assert row["result"]["rows"] == [VALUES]


@pytest.mark.parametrize(
    ("lenient", "canonical"),
    [
        ({"type": "integer", "value": 5}, {"type": "integer", "value": "5"}),
        ({"type": "real", "value": 2}, {"type": "float", "value": 2.0}),
        ({"type": "blob", "value": "AAE="}, {"type": "blob", "base64": "AAE"}),
        ({"type": "blob", "base64": "AAE="}, {"type": "blob", "base64": "AAE"}),
        ({"type": "null", "value": None, "more": 1}, {"type": "null"}),
    ],
)
def test_what_real_clients_send_a_little_otherwise_is_taken(
    client: Client, lenient: Any, canonical: Any
) -> None:
    request = {"type": "execute", "unknown": 1, "stmt": stmt("SELECT ?", args=[lenient], extra=2)}
    assert response(client, request)["result"]["rows"] == [[canonical]]


@pytest.mark.parametrize(
    "value",
    [
        5,
        {"type": "integer", "value": "x"},
        {"type": "integer", "value": "9223372036854775808"},
        {"type": "integer", "value": True},
        {"type": "float", "value": "1"},
        {"type": "text", "value": 1},
        {"type": "text", "value": "\ud800"},
        {"type": "blob", "base64": "*"},
        {"type": "date", "value": "x"},
        {"type": ["text"], "value": "x"},
        {"type": "integer", "value": "1_0"},
        {"type": "integer", "value": " 1"},
        {"type": "integer", "value": "1" * 400},
        {"type": "float", "value": 10**400},
        {"type": "float", "value": float("inf")},
        {"type": "float", "value": float("nan")},
    ],
)
def test_a_value_that_is_none_is_refused(client: Client, value: Any) -> None:
    request = {"type": "execute", "stmt": stmt("SELECT ?", args=[value])}
    if value == {"type": "text", "value": "\ud800"}:
        assert client.send("/v2/pipeline", {"requests": [request]})[0] == 400
        return
    (result,) = results(client, request)
    assert result["error"]["code"] == "ARGS_INVALID"


def test_named_arguments_are_found_with_a_prefix_and_without(client: Client) -> None:
    named = [
        {"name": name, "value": {"type": "integer", "value": str(number)}}
        for number, name in enumerate(["a", ":b", "@c", "$d"])
    ]
    request = {"type": "execute", "stmt": stmt("SELECT :a, :b, @c, $d", named_args=named)}
    assert plain(response(client, request)["result"]) == [[0, 1, 2, 3]]
    mixed = stmt("SELECT ?, :a", args=[VALUES[0]], named_args=named[:1])
    assert plain(response(client, {"type": "execute", "stmt": mixed})["result"]) == [[None, 0]]
    for wrong in (
        stmt("SELECT :a", named_args=named),
        stmt("SELECT :a, :e", named_args=named[:1]),
        stmt("SELECT 1", args=[VALUES[0]]),
        stmt("SELECT ?"),
    ):
        (result,) = results(client, {"type": "execute", "stmt": wrong})
        assert result["error"]["code"] == "ARGS_INVALID"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("", "SQL_NO_STATEMENT"),
        (" -- nothing", "SQL_NO_STATEMENT"),
        ("SELECT 1; SELECT 2", "SQL_MANY_STATEMENTS"),
        ("SELEC", "SQLITE_ERROR"),
        ("ATTACH 'x' AS y", "BLOCKED"),
        ("PRAGMA journal_mode = WAL", "BLOCKED"),
        ("DELETE FROM sqlatch_idempotency", "BLOCKED"),
        ("COMMIT", "SQLITE_ERROR"),
        ("ROLLBACK TO x", "SQLITE_ERROR"),
        ("SELECT 9e999", "SQLITE_RANGE"),
    ],
)
def test_a_statement_is_refused_in_the_protocols_words(client: Client, sql: str, code: str) -> None:
    (result,) = results(client, execute(sql))
    assert result["error"]["code"] == code
    assert isinstance(result["error"]["message"], str)


def test_stored_texts_live_as_long_as_the_stream(client: Client) -> None:
    stream = client.stream()
    stream.ask({"type": "store_sql", "sql_id": 7, "sql": "SELECT 7"})
    (result,) = stream.ask({"type": "execute", "stmt": {"sql_id": 7}})
    assert plain(result["response"]["result"]) == [[7]]
    stream.ask({"type": "sequence", "sql_id": 7}, {"type": "describe", "sql_id": 7})
    stream.ask({"type": "close_sql", "sql_id": 7})

    body = {"baton": stream.baton, "requests": [{"type": "execute", "stmt": {"sql_id": 7}}]}
    assert client.send("/v3/pipeline", body)[0] == 400


def test_a_sequence_stops_at_the_first_error_and_keeps_what_was_done(client: Client) -> None:
    (first, second) = results(
        client,
        {"type": "sequence", "sql": "CREATE TABLE t (n); -- c;\n;INSERT INTO t VALUES (';');"},
        {"type": "sequence", "sql": "DELETE FROM t; SELECT nothing; DROP TABLE t"},
    )
    assert first == {"type": OK, "response": {"type": "sequence"}}
    assert second["type"] == ERROR
    assert client.rows("SELECT count(*) FROM t") == [[0]]


def test_describe_says_what_a_statement_takes_and_gives(client: Client) -> None:
    results(client, execute("CREATE TABLE t (a INTEGER)"))
    described = response(client, {"type": "describe", "sql": "SELECT a FROM t WHERE a > :x OR ?"})
    assert described["result"] == {
        "params": [{"name": ":x"}, {"name": None}],
        "cols": [{"name": "a", "decltype": "INTEGER"}],
        "is_explain": False,
        "is_readonly": True,
    }
    for sql, explain, readonly in (
        ("EXPLAIN SELECT 1", True, True),
        ("DELETE FROM t", False, False),
        ("BEGIN", False, True),
    ):
        result = response(client, {"type": "describe", "sql": sql})["result"]
        assert (result["is_explain"], result["is_readonly"]) == (explain, readonly)


PARAMETERS: list[tuple[str, list[str | None]]] = [
    ("SELECT :a, @a, $a, :a", [":a", "@a", "$a"]),
    ("SELECT ?3, ?, ?2", [None, "?2", "?3", None]),
    ("SELECT ?2, :x, ?3", [None, "?2", ":x"]),
    ("SELECT $a::b(c), #d", ["$a::b(c)", "#d"]),
    ("SELECT ':a', \":b\", [:c], `:d` /* :e */ -- :f\n, x'00', m.\":b\", :é1 FROM made m", [":é1"]),
    ("SELECT 1e5, 1 AS n$x, 'it''s :a', :a", [":a"]),
]


@pytest.mark.parametrize(("sql", "names"), PARAMETERS)
def test_describe_keeps_the_prefix_of_parameter_names(
    client: Client, sql: str, names: list[str | None]
) -> None:
    results(client, execute('CREATE TABLE made (":b", ":c", ":d")'))

    described = response(client, {"type": "describe", "sql": sql})["result"]

    assert [one["name"] for one in described["params"]] == names


def test_a_statement_may_have_thousands_of_named_parameters(client: Client) -> None:
    names = [f":n{number}" for number in range(5_000)]
    given = {"type": "execute", "stmt": stmt(f"SELECT 1 IN ({','.join(names)})", args=[VALUES[0]])}

    (result,) = results(client, {"type": "describe", "sql": f"SELECT 1 IN ({','.join(names)})"})
    (refused,) = results(client, given)

    assert [one["name"] for one in result["response"]["result"]["params"]] == names
    assert refused["error"]["message"] == "parameter n1 was not given"


def test_parameters_that_only_their_prefix_tells_apart_get_their_own_values(client: Client) -> None:
    given = [{"name": name, "value": value(name)} for name in ("@a", ":a", "$a")]
    request = {"type": "execute", "stmt": stmt("SELECT :a, @a, $a", named_args=given)}
    assert plain(response(client, request)["result"]) == [[":a", "@a", "$a"]]

    both = {"type": "execute", "stmt": stmt("SELECT :a, @a", named_args=[given[0], bare("a")])}
    assert plain(response(client, both)["result"]) == [["a", "@a"]]
    wrong = {"type": "execute", "stmt": stmt("SELECT :price", named_args=[bare("prise")])}
    (refused,) = results(client, wrong)
    assert refused["error"] == {
        "message": "the statement has no parameter 'prise'; did you mean :price?",
        "code": "ARGS_INVALID",
    }


def bare(name: str) -> dict[str, Any]:
    return {"name": name, "value": value(name)}


def test_describe_sees_what_the_open_transaction_has_made(client: Client) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("CREATE TABLE made (x TEXT)")
    (result,) = stream.ask({"type": "describe", "sql": "SELECT x FROM made"})
    assert result["response"]["result"]["cols"] == [{"name": "x", "decltype": "TEXT"}]


def test_get_autocommit_follows_the_transaction(client: Client) -> None:
    asked = {"type": "get_autocommit"}
    said = results(client, asked, execute("BEGIN"), asked, execute("COMMIT"), asked)
    assert [one["response"].get("is_autocommit") for one in said] == [True, None, False, None, True]


def batch(*steps: Any) -> dict[str, Any]:
    return {"steps": list(steps)}


def step(sql: str, condition: Any = None) -> dict[str, Any]:
    return {"stmt": stmt(sql), "condition": condition}


CONDITIONS = batch(
    step("SELECT 0"),
    step("SELECT nothing", {"type": "ok", "step": 0}),
    step("SELECT 2", {"type": "ok", "step": 1}),
    step("SELECT 3", {"type": "error", "step": 1}),
    step("SELECT 4", {"type": "not", "cond": {"type": "ok", "step": 2}}),
    step("SELECT 5", {"type": "not", "cond": {"type": "error", "step": 2}}),
    step(
        "SELECT 6",
        {"type": "and", "conds": [{"type": "ok", "step": 0}, {"type": "ok", "step": 1}]},
    ),
    step(
        "SELECT 7",
        {"type": "or", "conds": [{"type": "ok", "step": 0}, {"type": "ok", "step": 1}]},
    ),
    step("SELECT 8", {"type": "and", "conds": []}),
    step("SELECT 9", {"type": "or", "conds": []}),
    step("BEGIN", {"type": "is_autocommit"}),
    step("SELECT 11", {"type": "is_autocommit"}),
    step("ROLLBACK"),
)
RUN = [0, 3, 4, 5, 7, 8, 10, 12]


def test_conditions_look_at_the_steps_before(client: Client) -> None:
    result = response(client, {"type": "batch", "batch": CONDITIONS})["result"]
    ran = [number for number, one in enumerate(result["step_results"]) if one is not None]
    failed = [number for number, one in enumerate(result["step_errors"]) if one is not None]
    assert (ran, failed) == (RUN, [1])


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


def test_foreign_keys_may_be_off_for_a_stream_and_are_on_for_the_next(client: Client) -> None:
    results(client, execute("CREATE TABLE p (id INTEGER PRIMARY KEY)"))
    results(client, execute("CREATE TABLE c (p REFERENCES p)"))
    (off, inserted, seen) = results(
        client,
        execute("PRAGMA foreign_keys = off"),
        execute("INSERT INTO c VALUES (1)"),
        execute("PRAGMA foreign_keys"),
    )
    assert (off["type"], inserted["type"], plain(seen["response"]["result"])) == (OK, OK, [[0]])

    (refused,) = results(client, execute("INSERT INTO c VALUES (2)"))
    assert refused["error"]["code"] == "SQLITE_CONSTRAINT"


def test_vacuum_runs_alone_and_not_in_a_transaction(client: Client) -> None:
    results(client, execute("CREATE TABLE t (n)"))
    alone, _begin, within = results(client, execute("VACUUM"), execute("BEGIN"), execute("VACUUM"))
    assert (alone["type"], within["type"]) == (OK, ERROR)


def test_a_database_that_is_not_there_looks_empty_and_is_made_by_a_commit(client: Client) -> None:
    new = Client(client.token, "new")
    assert new.rows(
        "SELECT count(*) FROM sqlite_schema WHERE tbl_name <> 'sqlatch_idempotency'"
    ) == [[0]]
    stream = new.stream()
    stream.execute("BEGIN")
    stream.execute("CREATE TABLE t (n)")
    stream.execute("INSERT INTO t VALUES (1)")
    assert plain(stream.execute("SELECT n FROM t")) == [[1]]
    assert "no such table" in new.stream().refused("SELECT * FROM t")["message"]
    stream.execute("COMMIT")

    assert new.rows("SELECT n FROM t") == [[1]]


def test_a_reply_that_would_be_too_large_is_refused(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_RESULT_BYTES_MAX", "1000")
    from handler.service import service

    service().close()
    service.cache_clear()
    first, second, third = results(
        client,
        execute("SELECT printf('%500c', 'x')"),
        execute("SELECT printf('%600c', 'x')"),
        execute("SELECT 1"),
    )
    assert [first["type"], second["type"], third["type"]] == [OK, ERROR, OK]
    assert second["error"]["code"] == "RESPONSE_TOO_LARGE"


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
