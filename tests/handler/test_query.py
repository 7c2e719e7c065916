"""The contract, through the handler: what each request does, and what comes back."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from handler.service import Service
from tests.conftest import Ask

META = {"database": "main", "wrote": True, "replayed": False}


def without_times(reply: dict[str, Any]) -> dict[str, Any]:
    """A reply whose times, which vary, are seen to be there and taken out."""
    meta = dict(reply["meta"])
    assert meta.pop("duration_ms") >= 0
    waited_ms = meta.pop("lease_wait_ms")
    assert (waited_ms is None) == (not meta["wrote"] and not meta["replayed"])
    return {**reply, "meta": meta}


@pytest.mark.lease_tables
def test_a_write_makes_its_database_and_a_read_returns_rows(ask: Ask) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
    inserted = ask(query="INSERT INTO t (name) VALUES (?)", parameters=["a"])
    selected = ask(query="SELECT * FROM t")

    assert without_times(inserted) == {
        "columns": [],
        "rows": [],
        "rows_affected": 1,
        "last_insert_rowid": 1,
        "meta": META,
    }
    assert without_times(selected) == {
        "columns": ["id", "name"],
        "rows": [[1, "a"]],
        "rows_affected": 0,
        "last_insert_rowid": None,
        "meta": META | {"wrote": False},
    }


def test_each_result_says_what_it_has_cost_if_it_is_asked_to(ask: Ask) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
    ask(query="INSERT INTO t VALUES (?, ?)", parameter_sets=[[id, id] for id in range(1, 11)])

    read = ask(query="SELECT n FROM t WHERE n = 3", costs=True)
    by_key = ask(query="SELECT n FROM t WHERE id = 3", costs=True)
    # What comes before the first write runs twice: once to find that the request writes.
    written = ask(
        statements=[
            {"query": "SELECT n FROM t WHERE n = 3"},
            {"query": "INSERT INTO t (n) VALUES (?)", "parameter_sets": []},
            {"query": "INSERT INTO t (n) VALUES (?)", "parameter_sets": [[1], [2]]},
            {"query": "DELETE FROM t WHERE n = 2"},
        ],
        costs=True,
    )

    assert "cost" not in ask(query="SELECT n FROM t")
    assert (read["cost"]["rows_scanned"], by_key["cost"]["rows_scanned"]) == (9, 0)
    assert 0 <= read["cost"]["duration_ms"] <= read["meta"]["duration_ms"]
    costs = [result["cost"] for result in written["results"]]
    assert [cost and cost["rows_scanned"] for cost in costs] == [9, None, None, 11]
    assert costs[1] is None
    assert costs[2]["duration_ms"] > 0
    assert ask(query="VACUUM", costs=True)["cost"] is None


def test_statements_are_one_transaction_with_a_result_each(ask: Ask) -> None:
    reply = ask(
        statements=[
            {"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, n)"},
            {"query": "INSERT INTO t (n) VALUES (?)", "parameter_sets": [[1], [2], [3]]},
            {"query": "UPDATE t SET n = n * 10 WHERE id > :id", "parameters": {"id": 1}},
            {"query": "SELECT n FROM t"},
        ]
    )

    assert [result["rows_affected"] for result in reply["results"]] == [0, 3, 2, 0]
    assert [result["last_insert_rowid"] for result in reply["results"]] == [None, 3, None, None]
    assert reply["results"][3]["rows"] == [[1], [20], [30]]


def test_the_rowid_of_an_insert_is_there_for_the_statements_behind_it(ask: Ask) -> None:
    reply = ask(
        statements=[
            {"query": "CREATE TABLE parent (id INTEGER PRIMARY KEY)"},
            {"query": "CREATE TABLE child (parent)"},
            {"query": "INSERT INTO parent VALUES (7)"},
            {"query": "INSERT INTO child SELECT last_insert_rowid() + 1"},
            {"query": "INSERT OR IGNORE INTO parent VALUES (7)"},
            {"query": "UPDATE parent SET id = 8 RETURNING last_insert_rowid()"},
            {"query": "SELECT parent FROM child"},
        ]
    )

    rowids = [result["last_insert_rowid"] for result in reply["results"]]
    assert rowids == [None, None, 7, 1, None, None, None]
    assert reply["results"][5]["rows"] == [[1]]
    assert reply["results"][6]["rows"] == [[8]]


def test_a_batch_that_fails_leaves_nothing(ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY)")
    error = refused(
        statements=[
            {"query": "INSERT INTO t VALUES (1)"},
            {"query": "CREATE TABLE u (a)"},
            {"query": "INSERT INTO t VALUES (1)"},
        ]
    )

    assert error == {
        "code": "CONSTRAINT",
        "message": "UNIQUE constraint failed: t.id",
        "retryable": False,
        "sqlite_code": "SQLITE_CONSTRAINT_PRIMARYKEY",
        "statement": 2,
    }
    assert ask(query="SELECT name FROM sqlite_schema WHERE name IN ('t', 'u')")["rows"] == [["t"]]
    assert ask(query="SELECT * FROM t")["rows"] == []


def test_reads_of_one_request_see_one_snapshot(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    reply = ask(
        statements=[{"query": "SELECT count(*) FROM t"}, {"query": "SELECT 1 AS one"}],
        read_only=True,
    )

    assert [result["rows"] for result in reply["results"]] == [[[0]], [[1]]]
    assert reply["meta"]["wrote"] is False


def test_returning_gives_rows_and_runs_to_its_end_though_truncated(ask: Ask) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
    reply = ask(
        query="INSERT INTO t (n) VALUES (?) RETURNING id, n",
        parameter_sets=[["a"], ["b"], ["c"]],
        rows_max=2,
    )

    assert (reply["rows"], reply["truncated"]) == ([[1, "a"], [2, "b"]], True)
    assert reply["rows_affected"] == 3
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[3]]


def test_rows_affected_counts_neither_triggers_nor_earlier_statements(ask: Ask) -> None:
    ask(
        statements=[
            {"query": "CREATE TABLE t (n)"},
            {"query": "CREATE TABLE log (n)"},
            {
                "query": "CREATE TRIGGER logged AFTER INSERT ON t BEGIN"
                " INSERT INTO log VALUES (new.n), (new.n); END"
            },
        ]
    )
    inserted = ask(query="INSERT INTO t VALUES (?)", parameter_sets=[[1], [2], [3]])
    untouched = ask(query="UPDATE t SET n = 0 WHERE n > 100")
    created = ask(query="CREATE TABLE u (a)")

    assert inserted["rows_affected"] == 3
    assert untouched["rows_affected"] == 0
    assert created["rows_affected"] == 0


def test_what_a_pragma_writes_is_no_row_of_the_callers(ask: Ask) -> None:
    ask(query="CREATE VIRTUAL TABLE t USING fts5(a)")
    inserted, optimized = ask(
        statements=[
            {"query": "INSERT INTO t SELECT name FROM pragma_table_info('t')"},
            {"query": "PRAGMA optimize"},
        ]
    )["results"]

    assert inserted["rows_affected"] == 1
    assert optimized["rows_affected"] == 0


def test_an_integrity_check_sees_what_was_written_to_a_full_text_index_since(ask: Ask) -> None:
    ask(query="CREATE VIRTUAL TABLE t USING fts5(a)")
    answers = [ask(query="PRAGMA integrity_check")["rows"]]
    ask(query="INSERT INTO t VALUES ('x')")
    answers.append(ask(query="PRAGMA integrity_check")["rows"])

    assert answers == [[["ok"]], [["ok"]]]


def test_values_go_both_ways_unchanged(ask: Ask) -> None:
    values = [
        None,
        0,
        2**63 - 1,
        -(2**63),
        1.5,
        -0.0,
        5e-324,
        "",
        "Zoë \U0001f600",
        {"base64": "AP8="},
        {"base64": ""},
        {"real": "Infinity"},
        {"real": "-Infinity"},
    ]
    marks = ", ".join("?" * len(values))
    ask(query="CREATE TABLE one (n)")

    assert ask(query=f"SELECT {marks}", parameters=values)["rows"] == [values]
    assert ask(query="SELECT ?, ?", parameters=[True, False])["rows"] == [[1, 0]]


def test_rows_come_as_objects_and_equal_names_are_told_apart(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    reply = ask(query="SELECT 1 AS a, 2 AS a, 3 AS b, 4 AS a", rows_as="objects")

    assert reply["columns"] == ["a", "a:1", "b", "a:2"]
    assert reply["rows"] == [{"a": 1, "a:1": 2, "b": 3, "a:2": 4}]


def test_columns_are_told_where_there_are_no_rows(ask: Ask) -> None:
    ask(query="CREATE TABLE t (a, b)")

    assert ask(query="SELECT a, b AS c FROM t")["columns"] == ["a", "c"]


def test_an_idempotent_write_happens_once_and_is_answered_alike(ask: Ask) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, n)")
    event = {
        "query": "INSERT INTO t (n) VALUES (random()) RETURNING id, n, x'00ff'",
        "idempotency_key": "k",
    }
    first = ask(event)
    again = ask(event)

    assert again["meta"]["replayed"] is True
    assert again["meta"]["wrote"] is False
    assert {**again, "meta": None} == {**first, "meta": None}
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[1]]


def test_a_key_used_for_another_request_is_refused(ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    ask(query="INSERT INTO t VALUES (:n)", parameters={"n": 1}, idempotency_key="k")

    assert refused(query="INSERT INTO t VALUES (:n)", parameters={"n": 2}, idempotency_key="k")[
        "code"
    ] == ("IDEMPOTENCY_CONFLICT")
    assert ask(query="SELECT n FROM t")["rows"] == [[1]]


def test_a_query_run_for_no_set_of_parameters_does_nothing(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    nothing = {"query": "INSERT INTO t VALUES (?)", "parameter_sets": []}
    replies = ask(statements=[{"query": "INSERT INTO t VALUES (1), (2)"}, nothing, nothing])

    assert [result["rows_affected"] for result in replies["results"]] == [2, 0, 0]
    assert [result["last_insert_rowid"] for result in replies["results"]] == [2, None, None]
    assert ask(nothing)["rows_affected"] == 0
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[2]]


def test_a_key_used_for_a_query_without_sets_is_not_free_for_one_with_none(
    ask: Ask, refused: Ask
) -> None:
    ask(query="CREATE TABLE t (n)")
    insert = {"query": "INSERT INTO t VALUES (1)"}
    ask({**insert, "idempotency_key": "k"})
    error = refused({**insert, "parameter_sets": [], "idempotency_key": "k"})

    assert error["code"] == "IDEMPOTENCY_CONFLICT"


def test_the_records_of_requests_made_before_are_still_theirs(ask: Ask, directory: Path) -> None:
    """A fingerprint that changed with a new version would refuse what is repeated across it."""
    ask(query="CREATE TABLE t (n)")
    given: list[dict[str, Any]] = [{}, {"parameters": [1]}, {"parameter_sets": [[1]]}]
    for number, parameters in enumerate(given):
        sql = "INSERT INTO t VALUES (?)" if parameters else "INSERT INTO t VALUES (1)"
        ask({"query": sql, **parameters, "idempotency_key": str(number)})
    with apsw.Connection(str(directory / "main.db")) as connection:
        rows: Any = connection.execute(
            "SELECT hex(fingerprint) FROM sqlatch_idempotency"
        ).fetchall()
    connection.close()

    assert [fingerprint[:16] for (fingerprint,) in rows] == [
        "0D124B421824F42E",
        "0B2A8CE5B4B9F528",
        "B71955E5D343226A",
    ]


@pytest.mark.parametrize("before", ["", "in the same request"])
def test_a_table_whose_last_id_is_used_is_no_failure_of_the_disk(
    before: str, ask: Ask, refused: Ask
) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, n)")
    last = {"query": "INSERT INTO t VALUES (9223372036854775807, 1)"}
    another = {"query": "INSERT INTO t (n) VALUES (2)"}
    if before:
        error = refused(statements=[last, another])
    else:
        ask(last)
        error = refused(another)

    assert (error["code"], error["retryable"]) == ("STATEMENT_ERROR", False)
    assert error["sqlite_code"] == "SQLITE_FULL"
    assert "9223372036854775807" in error["message"]


def test_a_refused_write_leaves_its_key_free(ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE t (n CHECK (n < 10))")
    event = {"query": "INSERT INTO t VALUES (?)", "idempotency_key": "k"}

    assert refused(event | {"parameters": [11]})["code"] == "CONSTRAINT"
    assert ask(event | {"parameters": [1]})["rows_affected"] == 1


def test_statements_that_call_themselves_reads_and_write_are_run_as_writes(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n COLLATE NOCASE)")
    ask(query="CREATE INDEX by_n ON t (n)")

    assert ask(query="REINDEX")["meta"]["wrote"] is True
    assert ask(query="SELECT n FROM t")["meta"]["wrote"] is False


def test_vacuum_is_a_write_of_its_own(ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    ask(query="INSERT INTO t VALUES (zeroblob(?))", parameter_sets=[[100_000]] * 10)
    ask(query="DELETE FROM t")
    pages = ask(query="PRAGMA page_count")["rows"][0][0]

    assert ask(query="VACUUM")["meta"]["wrote"] is True
    assert ask(query="PRAGMA page_count")["rows"][0][0] < pages / 10
    assert refused(statements=[{"query": "SELECT 1"}, {"query": "VACUUM"}])["code"] == (
        "FORBIDDEN_STATEMENT"
    )


def test_explain_of_a_write_is_a_read(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n)")

    reply = ask(query="EXPLAIN QUERY PLAN DELETE FROM t")

    assert reply["meta"]["wrote"] is False
    assert ask(query="EXPLAIN INSERT INTO t VALUES (1)", read_only=True)["rows"]


def test_foreign_keys_are_enforced(ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE parent (id INTEGER PRIMARY KEY)")
    ask(query="CREATE TABLE child (id INTEGER REFERENCES parent)")

    assert refused(query="INSERT INTO child VALUES (1)")["sqlite_code"] == (
        "SQLITE_CONSTRAINT_FOREIGNKEY"
    )


def test_many_databases_are_kept_apart_and_few_of_them_open(ask: Ask, the_service: Service) -> None:
    names = [f"db-{number}" for number in range(70)]
    for name in names:
        ask(query="CREATE TABLE t AS SELECT ? AS name", parameters=[name], database=name)

    assert [ask(query="SELECT name FROM t", database=name)["rows"] for name in names] == [
        [[name]] for name in names
    ]
    assert len(the_service.databases._open) == the_service.databases.OPEN_MAX


@pytest.mark.parametrize("returning", ["", " RETURNING n"])
@pytest.mark.parametrize("number", [0, 1, 39])
def test_the_set_that_sqlite_refuses_is_named(
    ask: Ask, refused: Ask, number: int, returning: str
) -> None:
    ask(query="CREATE TABLE t (n UNIQUE, CHECK (n <> -1))")
    ask(query="INSERT INTO t VALUES (1000)")
    sets = [[n] for n in range(40)]
    sql = "INSERT INTO t VALUES (?)" + returning

    for bad, code in (([1000], "CONSTRAINT"), ([-1], "CONSTRAINT"), ([1, 2], "STATEMENT_ERROR")):
        sets[number] = bad
        facts = refused(query=sql, parameter_sets=sets)
        assert (facts["code"], facts["parameter_set"]) == (code, number)
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[1]]
