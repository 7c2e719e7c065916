"""The protocol as its specification has it, also the parts that few clients use."""

from typing import Any

import pytest

from tests.hrana.client import Client, execute, plain, response, results, stmt

OK, ERROR = "ok", "error"


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
