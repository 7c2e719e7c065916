"""Errors say what was probably meant, the limit, and the next step, through every door."""

from typing import Any

import pytest

from handler.service import service
from tests.conftest import Ask, forget
from tests.hrana.client import Client
from tests.hrana.conftest import client as client
from tests.hrana.conftest import keys as keys

SCHEMA = (
    "CREATE TABLE airlines (carrier TEXT, name TEXT)",
    "CREATE VIEW flights_today AS SELECT 1 AS number",
    "CREATE TABLE t (colour)",
)

UNKNOWN: dict[str, str] = {
    "SELECT * FROM airline": "no such table: airline; did you mean airlines?",
    "TABLE_": 'near "TABLE_": syntax error (at offset 0)',
    "SELECT * FROM main.flight_today": (
        "no such table: main.flight_today; did you mean flights_today?"
    ),
    "INSERT INTO Airlnes VALUES (1, 2)": "no such table: Airlnes; did you mean airlines?",
    "SELECT carier FROM airlines": "no such column: carier (at offset 7); did you mean carrier?",
    "SELECT a.nam FROM airlines a": "no such column: a.nam (at offset 7); did you mean name?",
    "UPDATE airlines SET carrer = 1": "no such column: carrer; did you mean carrier?",
    "INSERT INTO airlines (carrer) VALUES (1)": (
        "table airlines has no column named carrer; did you mean carrier?"
    ),
    "SELECT coalesc(1, 2)": "no such function: coalesc (at offset 7); did you mean coalesce?",
    "SELECT * FROM nothing_like_it": "no such table: nothing_like_it",
    "SELECT colour FROM airlines": "no such column: colour (at offset 7)",
    "SELECT * FROM sqlatch_idempotenc": "no such table: sqlatch_idempotenc",
    "SELECT fingerprin FROM t": "no such column: fingerprin (at offset 7)",
    "SELECT load_extensio('x')": "no such function: load_extensio (at offset 7)",
}


@pytest.fixture
def schema(ask: Ask) -> None:
    for sql in SCHEMA:
        ask(query=sql)
    ask(query="INSERT INTO t VALUES (1)", idempotency_key="k")


@pytest.mark.usefixtures("schema")
@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
@pytest.mark.parametrize("sql", UNKNOWN)
def test_a_name_that_is_nearly_right_is_said(sql: str, refused: Ask, client: Client) -> None:
    for error in (refused(query=sql), refused(statements=[{"query": sql}])):
        assert (error["code"], error["message"]) == ("STATEMENT_ERROR", UNKNOWN[sql])
    stream = client.stream()
    assert stream.refused(sql) == {"code": "SQLITE_ERROR", "message": UNKNOWN[sql]}


def test_a_hint_is_no_part_of_what_a_transaction_has_seen(
    client: Client, schema: None, ask: Ask
) -> None:
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (2)")
    assert stream.refused("SELECT * FROM airlinez")["message"].endswith("did you mean airlines?")
    ask(query="CREATE TABLE airline (n)")

    stream.execute("COMMIT")

    assert client.rows("SELECT count(*) FROM t") == [[2]]


EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "a field": ({"query": "SELECT 1", "paramters": []}, "did you mean parameters?"),
    "a field of a statement": (
        {"statements": [{"query": "SELECT 1", "parameter": []}]},
        "statements.0.parameter: is not a field of a statement; did you mean parameters?",
    ),
    "a field by another name": (
        {"sql": "SELECT 1"},
        "sql: is not a field of a request; did you mean query?",
    ),
    "a parameter": (
        {"query": "SELECT :carrier", "parameters": {"carier": 1}},
        "the statement has no parameter 'carier'; did you mean carrier?",
    ),
    "a PRAGMA": ({"query": "PRAGMA tabel_info(t)"}, "PRAGMA tabel_info; did you mean table_info?"),
    "a PRAGMA that is known": (
        {"query": "PRAGMA synchronous = OFF"},
        "not allowed here: PRAGMA synchronous with a value",
    ),
    "a long text": (
        {"query": "SELECT 1", "idempotency_key": "k" * 300},
        "idempotency_key: has 300 characters, the limit is 255",
    ),
    "many statements": (
        {"statements": [{"query": "SELECT 1"}] * 1_001},
        "statements: has 1,001 items, the limit is 1,000: send several requests",
    ),
    "rows": (
        {"query": "SELECT a.* FROM airlines a, airlines b"},
        "the limit is 5 rows; read it in pages",
    ),
    "bytes": (
        {"query": "SELECT hex(zeroblob(600))"},
        "the limit is 1,000 bytes; read it in pages",
    ),
}


@pytest.mark.parametrize("environment", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", EVENTS)
def test_an_error_says_the_limit_and_the_next_step(
    name: str, schema: None, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(query="INSERT INTO airlines VALUES (?, ?)", parameter_sets=[[1, 2]] * 3)
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "5")
    monkeypatch.setenv("SQLATCH_RESULT_BYTES_MAX", "1000")
    forget(service)
    event, message = EVENTS[name]

    assert message in refused(event)["message"]
