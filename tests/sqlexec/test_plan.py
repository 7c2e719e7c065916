"""The plan of a text, however it is written and however long it is."""

from contextlib import closing
from time import time

import pytest

from handler.service import service
from sqlatch.kernel.errors import ForbiddenStatement
from sqlexec import plan
from sqlexec.idempotency import TABLE
from sqlexec.plan import PLANS_BYTES_MAX, Plans, _size_bytes
from sqlexec.statement import Kind
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
