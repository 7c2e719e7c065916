"""The plan of a text, however it is written and however long it is."""

from contextlib import closing
from time import time
from typing import Any

import pytest

from handler.service import service
from sqlatch.kernel.errors import ForbiddenStatement, StatementError
from sqlexec import plan
from sqlexec.idempotency import TABLE
from sqlexec.plan import PLANS_BYTES_MAX, Plans, _size_bytes
from sqlexec.statement import Kind, Statement
from storage.connection import Session
from storage.scratch import Scratch
from tests.conftest import Ask

VACUUMS = (
    "VACUUM",
    "vacuum;",
    "VACUUM main",
    'VACUUM"main"; -- done',
    "VACUUM[main]",
    "VACUUM `main`",
    "VACUUM 'main'",
    "; ;\n\t/* VACUUM INTO 'x' */ -- INSERT\n VACUUM /**/ main /* INTO",
    "\ufeffVACUUM",
    "/*/ VACUUM */ VACUUM",
)
INTO = (
    "VACUUM INTO 'x'",
    "VACUUM main INTO 'x'",
    "vacuum/**/main/**/into ?",
    "VACUUM \"main\"INTO'x'",
    "VACUUM INTO x'00ff'",
    "-- VACUUM\nVACUUM INTO upper('x')",
)
OTHERS = {
    "EXPLAIN VACUUM": Kind.READ,
    "EXPLAIN QUERY PLAN VACUUM": Kind.READ,
    "EXPLAIN VACUUM INTO 'x'": Kind.READ,
    "SELECT 'VACUUM'": Kind.READ,
    "/* VACUUM */ INSERT INTO vacuum VALUES (1)": Kind.WRITE,
    '-- VACUUM\nDELETE FROM "VACUUM"': Kind.WRITE,
    "INSERT INTO vacuum VALUES (x'bfe394')": Kind.WRITE,
}


def scratch() -> Scratch:
    return Scratch("main", table=TABLE, now=time, deadline_s=time() + 60)


def kind_of(sql: str) -> Kind:
    with closing(scratch()) as opened:
        session = opened.connection
        session.run('CREATE TABLE "vacuum" (a)')
        return Plans().look(sql, session).kind


@pytest.mark.parametrize("sql", VACUUMS)
def test_vacuum_is_known_by_its_first_word(sql: str) -> None:
    assert kind_of(sql) is Kind.VACUUM


@pytest.mark.parametrize("sql", INTO)
def test_vacuum_into_is_refused(sql: str) -> None:
    with pytest.raises(ForbiddenStatement, match="VACUUM INTO writes another file"):
        kind_of(sql)


@pytest.mark.parametrize("sql", OTHERS)
def test_what_only_names_vacuum_is_none(sql: str) -> None:
    assert kind_of(sql) is OTHERS[sql]


@pytest.mark.parametrize("length", [1, 12_000, 100_000])
def test_a_write_whose_plan_is_forgotten_says_each_time_what_it_changed(
    length: int, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "PLANS_BYTES_MAX", 0)
    ask(query="CREATE TABLE t (a)")
    insert = f"INSERT INTO t VALUES ('{'x' * length}')"

    replies = []
    for _time in range(3):
        reply = ask(query=insert)
        replies.append((reply["rows_affected"], reply["last_insert_rowid"]))
        ask(query="SELECT 1")

    assert replies == [(1, 1), (1, 2), (1, 3)]


def test_a_text_that_is_repeated_may_not_take_a_name_of_ours(ask: Ask, refused: Ask) -> None:
    rename = f"ALTER TABLE t RENAME TO sqlatch_t /* {'x' * 12_000} */"
    ask(query="CREATE TABLE t (a)")

    assert [refused(query=rename)["code"] for _time in range(3)] == ["FORBIDDEN_STATEMENT"] * 3


def test_the_plans_that_are_kept_are_bounded_by_their_bytes() -> None:
    plans = Plans()
    with closing(scratch()) as opened:
        session = opened.connection
        for number in range(200):
            plans.look(f"SELECT {number}, '{'é☃' * 8_000}'", session)
            plans.look("SELECT " + ",".join(f":a{n}" for n in range(300 + number)), session)

    kept = sum(_size_bytes(sql, known) for sql, known in plans._known.items())
    assert PLANS_BYTES_MAX / 4 < kept <= PLANS_BYTES_MAX


INSERTS = {
    "INSERT INTO orders_data SELECT * FROM orders": True,
    "INSERT INTO tree (id, x0, x1) SELECT 1, 2, 3": True,
    "UPDATE words SET word = 'x' FROM (SELECT id FROM tree)": False,
    "UPDATE orders SET n = (SELECT count(*) FROM words)": False,
    "DELETE FROM tree": False,
}


@pytest.mark.parametrize("sql", INSERTS)
def test_an_insert_is_told_from_what_virtual_tables_insert(
    sql: str, ask: Ask, environment: dict[str, str]
) -> None:
    """Each prepares statements on tables of its own, when a connection first opens it."""
    ask(
        statements=[
            {"query": "CREATE TABLE orders (n)"},
            {"query": "CREATE TABLE orders_data (n)"},
            {"query": "INSERT INTO orders VALUES (1)"},
            {"query": "CREATE VIRTUAL TABLE tree USING rtree (id, x0, x1)"},
            {"query": "CREATE VIRTUAL TABLE words USING fts5 (word)"},
            {"query": "INSERT INTO words VALUES ('a')"},
            {"query": "INSERT INTO tree VALUES (9, 1, 2)"},
        ]
    )
    service().databases.close()
    ask(query="INSERT INTO orders VALUES (2)")

    reply = ask(query=sql)

    assert (reply["last_insert_rowid"] is not None) is INSERTS[sql]


FITS: list[tuple[str, Any]] = [
    ("SELECT 1", None),
    ("SELECT ?, ?", [1, 2]),
    ("SELECT :a, @b, $c", {"a": 1, "b": 2, "c": 3}),
    ("SELECT :a, :a", [1]),
]
DOES_NOT_FIT: list[tuple[str, Any, str]] = [
    ("SELECT ?, ?", [1], "the statement has 2 parameters, 1 were given"),
    ("SELECT ?, ?", [1, 2, 3], "the statement has 2 parameters, 3 were given"),
    ("SELECT 1", [1], "the statement has 0 parameters, 1 were given"),
    ("SELECT ?", None, "the statement has 1 parameters, 0 were given"),
    ("SELECT ?", {"a": 1}, "parameter 1 is a ?, which has no name"),
    ("SELECT :count", {"coutn": 1}, "no parameter 'coutn'; did you mean count?"),
    ("SELECT :a, :b", {"a": 1}, "the parameter 'b' was not given"),
]


@pytest.mark.parametrize(("sql", "values"), FITS)
def test_values_that_fit_are_taken(sql: str, values: Any, session: Session) -> None:
    assert Plans().of(Statement(sql, values), session).kind is Kind.READ


@pytest.mark.parametrize(("sql", "values", "why"), DOES_NOT_FIT)
def test_values_that_do_not_fit_are_refused_and_so_is_the_set_that_has_them(
    sql: str, values: Any, why: str, session: Session
) -> None:
    with pytest.raises(StatementError) as refused:
        Plans().of(Statement(sql, values), session)
    assert why in refused.value.message

    if isinstance(values, list):
        with pytest.raises(StatementError) as refused:
            Plans().of(Statement(sql, parameter_sets=[values]), session)
        assert refused.value.facts["parameter_set"] == 0
