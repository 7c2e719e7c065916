"""`sqlatch dump`: SQLite makes the same database of it."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.client import Client
from sqlatch.command import rows
from tests.command.conftest import Sqlatch

SCHEMA = """
CREATE TABLE "odd ""name" (id INTEGER PRIMARY KEY, "a b" TEXT, doubled AS (id * 2) STORED);
CREATE TABLE pairs (a TEXT, b INTEGER, note BLOB, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE rowids (rowid TEXT, n REAL);
CREATE TABLE log (n);
CREATE VIEW both AS SELECT a FROM pairs UNION SELECT "a b" FROM "odd ""name";
CREATE INDEX notes ON pairs (note);
CREATE TRIGGER logged AFTER INSERT ON pairs BEGIN
  INSERT INTO log VALUES (new.b);
END;
CREATE VIRTUAL TABLE words USING fts5(word);
"""
EVERYTHING = ('"odd ""name"', "pairs", "rowids", "log", "both", "words")


def filled(client: Client) -> None:
    client.batch([one.strip() + ";" for one in _statements()])
    chance = random.Random(7)
    odd = ["it's", 'a"b', "nul\0inside", "line\nline", "é😀", "", None]
    client.load(
        'INSERT INTO "odd ""name" (id, "a b") VALUES (?, ?)',
        ([number, chance.choice(odd)] for number in range(-20, 30)),
    )
    client.load(
        "INSERT INTO pairs VALUES (?, ?, ?)",
        ([chance.choice("xyz"), number, chance.randbytes(3)] for number in range(40)),
    )
    reals = [1.5, -0.1, float("inf"), float("-inf"), 1e300, 2.0, None]
    client.load("INSERT INTO rowids VALUES (?, ?)", ([str(n), n] for n in reals))
    client.load("INSERT INTO words VALUES (?)", (["alpha beta"], ["gamma"]))


def _statements() -> list[str]:
    from sqlatch.command.script import statements

    return list(statements(SCHEMA))


@pytest.fixture(params=[3, rows.PAGE_ROWS_FIRST])
def _pages(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS_FIRST", request.param)


@pytest.mark.usefixtures("_pages")
def test_sqlite_makes_the_same_database_of_a_dump(
    sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    filled(client)

    written = sqlatch("dump").out

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.executescript(written)
        for name in EVERYTHING:
            sql = f"SELECT * FROM {name} ORDER BY 1, 2" if name != "both" else "SELECT * FROM both"
            if name in ("log", "words"):
                sql = f"SELECT * FROM {name} ORDER BY 1"
            assert copy.execute(sql).fetchall() == client.query(sql).rows, name
        assert copy.execute("SELECT * FROM words WHERE words MATCH 'beta'").fetchall()
        made = "SELECT name FROM sqlite_schema WHERE type IN ('index', 'trigger', 'view') AND sql"
        assert len(copy.execute(f"{made} IS NOT NULL").fetchall()) == 3


def test_the_service_makes_it_again_from_a_bare_one(
    sqlatch: Sqlatch, client: Client, url: str
) -> None:
    filled(client)

    again = sqlatch("query", "-u", f"{url}-b", "-", given=sqlatch("dump", "--bare").out)

    assert again.code == 0
    assert sqlatch("dump", "-u", f"{url}-b").out == sqlatch("dump").out


def test_the_sequence_of_an_autoincrement_is_kept(sqlatch: Sqlatch, tmp_path: Path) -> None:
    sqlatch("query", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT)")
    sqlatch("query", "INSERT INTO t VALUES (41), (42)")
    sqlatch("query", "DELETE FROM t WHERE id = 42")

    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        copy.executescript(sqlatch("dump").out)
        copy.execute("INSERT INTO t DEFAULT VALUES")
        assert copy.execute("SELECT id FROM t").fetchall() == [(41,), (43,)]


def test_rows_too_large_for_a_page_come_in_smaller_ones(sqlatch: Sqlatch, client: Client) -> None:
    client.execute("CREATE TABLE t (text)")
    for number in range(12):
        client.execute("INSERT INTO t VALUES (?)", [str(number) * 1_000_000])

    assert len(sqlatch("dump").out) > 14_000_000


def test_one_table_may_be_asked_for(sqlatch: Sqlatch) -> None:
    sqlatch("query", "CREATE TABLE a (n); CREATE TABLE b (n); CREATE INDEX i ON b (n)")

    one = sqlatch("dump", "--table", "a", "--schema-only", "--bare")

    assert one.out == "CREATE TABLE a (n);\n"
    assert sqlatch("dump", "--table", "zzz").code == 2
