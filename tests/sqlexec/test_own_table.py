"""Our table in the user's file: nothing may refer to it, and our statements fire nothing there."""

import time
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler.reaper import reap
from handler.record import Record
from handler.service import Service
from tests.conftest import Ask

OURS = """
CREATE TABLE sqlatch_idempotency (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, fingerprint BLOB, reply TEXT,
    created_at_s INTEGER NOT NULL
) STRICT;
INSERT INTO sqlatch_idempotency VALUES (1, 'old', x'00', 'a reply', 1);
CREATE TABLE t (n);
CREATE TABLE seen (what);
"""
A_TRIGGER = (
    "CREATE TRIGGER r AFTER {} BEGIN INSERT INTO seen SELECT key FROM sqlatch_idempotency; END"
)

REFERENCES = {
    "a column": ["CREATE TABLE c (id REFERENCES sqlatch_idempotency (id) ON DELETE CASCADE)"],
    "in other letters": ['CREATE TABLE c (id REFERENCES "SQLatch_Idempotency")'],
    "a constraint": [
        "CREATE TABLE c (n, id, FOREIGN KEY (id) REFERENCES [sqlatch_idempotency] (id))"
    ],
    "a column added": ["ALTER TABLE t ADD COLUMN id REFERENCES sqlatch_idempotency (id)"],
    "a table of ours that is not there": ["CREATE TABLE c (id REFERENCES sqlatch_other)"],
    "a table with a strange name": ['CREATE TABLE "\'c""" (id REFERENCES sqlatch_idempotency)'],
    "a table where PRAGMAs have other names": [
        'CREATE TABLE pragma_foreign_key_list ("table")',
        "CREATE TABLE c (id REFERENCES sqlatch_idempotency)",
    ],
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_to_our_table_is_refused(name: str, ask: Ask, refused: Ask) -> None:
    ask(query="CREATE TABLE t (n)")
    *before, last = REFERENCES[name]
    for sql in before:
        ask(query=sql)
    schema = ask(query="SELECT sql FROM sqlite_schema")["rows"]

    error = refused(query=last)

    assert error["code"] == "FORBIDDEN_STATEMENT"
    assert "refers to sqlatch_" in error["message"].lower()
    assert ask(query="SELECT sql FROM sqlite_schema")["rows"] == schema


@pytest.mark.parametrize(
    "refused",
    [
        "CREATE TABLE c (id REFERENCES sqlatch_idempotency (id) ON DELETE CASCADE)",
        "CREATE VIRTUAL TABLE sqlatch USING fts5(c)",
        "ALTER TABLE t RENAME TO sqlatch_t",
    ],
)
def test_what_is_refused_after_it_has_run_is_undone_in_a_transaction_that_goes_on(
    refused: str, ask: Ask
) -> None:
    ask(query="CREATE TABLE t (n)")
    schema = ask(query="SELECT sql FROM sqlite_schema")["rows"]
    statements = ("BEGIN", "INSERT INTO t VALUES (1)", refused, "COMMIT")
    requests = [{"type": "execute", "stmt": {"sql": sql}} for sql in statements]

    results = ask(pipeline={"requests": requests})["results"]

    assert [result["type"] for result in results] == ["ok", "ok", "error", "ok"]
    assert results[2]["error"]["code"] == "BLOCKED"
    assert ask(query="SELECT sql FROM sqlite_schema")["rows"] == schema
    assert ask(query="SELECT * FROM t")["rows"] == [[1]]


def test_our_prefix_may_stand_elsewhere_in_a_schema(ask: Ask) -> None:
    ask(query="CREATE TABLE p (sqlatch_id PRIMARY KEY) /* as sqlatch_idempotency */")
    ask(query="CREATE TABLE c (id DEFAULT 'sqlatch_' REFERENCES p (sqlatch_id))")

    assert ask(query="INSERT INTO c VALUES (NULL)")["rows_affected"] == 1


@pytest.mark.parametrize("cascade", ["", "ON DELETE CASCADE"])
def test_a_purge_fires_nothing_of_a_file_that_was_copied_in(
    cascade: str, directory: Path, ask: Ask, the_service: Service
) -> None:
    child = f"CREATE TABLE c (id REFERENCES sqlatch_idempotency (id) {cascade});"
    triggers = (
        A_TRIGGER.format("DELETE ON c").replace(" r ", " r1 "),
        A_TRIGGER.format("DELETE ON sqlatch_idempotency"),
    )
    copied_in(directory, OURS, child, "INSERT INTO c VALUES (1)", *triggers)

    report = reap(the_service, Record("request", "schedule"), ends_at_s=time.time() + 10)

    assert (report["records_purged"], report["failures"]) == (1, [])
    assert rows(directory, "SELECT * FROM seen") == []
    assert rows(directory, "SELECT id FROM c") == [(1,)]


def test_a_keyed_write_fires_nothing_of_a_file_that_was_copied_in(
    directory: Path, ask: Ask
) -> None:
    copied_in(directory, OURS, A_TRIGGER.format("INSERT ON sqlatch_idempotency"))

    for _time in range(2):
        ask(query="INSERT INTO t VALUES (1)", idempotency_key="new")

    assert rows(directory, "SELECT * FROM seen") == []
    assert rows(directory, "SELECT n FROM t") == [(1,)]


def test_the_triggers_and_foreign_keys_of_the_user_still_fire(ask: Ask, refused: Ask) -> None:
    ask(
        statements=[
            {"query": "CREATE TABLE p (id PRIMARY KEY)"},
            {"query": "CREATE TABLE c (id REFERENCES p)"},
            {"query": "CREATE VIEW v AS SELECT * FROM c"},
            {
                "query": "CREATE TRIGGER r AFTER INSERT ON p"
                " BEGIN INSERT INTO c VALUES (new.id); END"
            },
        ],
        idempotency_key="tables",
    )
    ask(query="INSERT INTO p VALUES (1)", idempotency_key="a row")

    assert refused(query="DELETE FROM p", idempotency_key="none")["code"] == "CONSTRAINT"
    assert ask(query="SELECT * FROM v")["rows"] == [[1]]


OTHER_SHAPES = {
    "a view": "CREATE VIEW sqlatch_idempotency AS SELECT 1 AS key, x'' AS fingerprint, 2 AS reply,"
    " 3 AS created_at_s, 4 AS id",
    "other columns": "CREATE TABLE sqlatch_idempotency (k, v)",
    "more columns": "CREATE TABLE sqlatch_idempotency (id INTEGER PRIMARY KEY, key, fingerprint,"
    " reply, created_at_s, more NOT NULL)",
    "another case": "CREATE TABLE SQLATCH_IDEMPOTENCY (k, v)",
}


@pytest.mark.parametrize("name", OTHER_SHAPES)
def test_a_table_of_our_name_and_another_shape_is_named_and_in_nobodys_way(
    name: str, directory: Path, ask: Ask, refused: Ask, the_service: Service
) -> None:
    copied_in(directory, "CREATE TABLE t (n)", OTHER_SHAPES[name])

    error = refused(query="INSERT INTO t VALUES (1)", idempotency_key="key")

    assert (error["code"], error["retryable"]) == ("STATEMENT_ERROR", False)
    assert "sqlatch_idempotency" in error["message"]
    assert "docs/runbook.md" in error["message"]
    assert ask(query="INSERT INTO t VALUES (2)")["rows_affected"] == 1
    assert ask(query="SELECT n FROM t")["rows"] == [[2]]


def test_a_table_of_our_name_in_other_letters_is_ours(
    directory: Path, ask: Ask, the_service: Service
) -> None:
    copied_in(directory, OURS.replace("sqlatch_idem", "SQLatch_Idem"))

    report = reap(the_service, Record("request", "schedule"), ends_at_s=time.time() + 10)

    assert (report["records_purged"], report["failures"]) == (1, [])


def copied_in(directory: Path, *scripts: str) -> None:
    connection = apsw.Connection(str(directory / "main.db"))
    for script in scripts:
        connection.execute(script)
    connection.close()


def rows(directory: Path, sql: str) -> list[Any]:
    with apsw.Connection(str(directory / "main.db")) as connection:
        found = connection.execute(sql).fetchall()
    connection.close()
    return found
