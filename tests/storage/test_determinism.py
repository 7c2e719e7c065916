"""Statements whose rows follow from the state of their database, and those that do not."""

import time
from collections.abc import Iterator
from contextlib import closing

import apsw
import pytest

from storage.connection import Session
from storage.determinism import _deterministic, is_determined

SCHEMA = """
CREATE TABLE t (n, at TEXT, doubled AS (n * 2));
CREATE TABLE json_tree (n);
CREATE TABLE "pragma_Größe" (n);
CREATE VIEW plain AS SELECT n FROM t;
CREATE VIEW by_chance AS SELECT n, random() AS r FROM plain;
CREATE VIEW of_a_view AS SELECT n FROM by_chance;
CREATE VIRTUAL TABLE notes USING fts5(text);
CREATE VIRTUAL TABLE boxes USING rtree(id, low, high);
"""


@pytest.fixture
def session() -> Iterator[Session]:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with closing(
        Session("main", ":memory:", flags=flags, now=time.time, deadline_s=time.time() + 600)
    ) as session:
        session.connection.execute(SCHEMA)
        yield session


def determined(session: Session, sql: str) -> bool:
    session.prepare(sql, lambda _cursor, _sql, _values: False, can_cache=False)
    return is_determined(session)


DETERMINED = [
    "SELECT 1",
    "SELECT n, doubled FROM t WHERE n LIKE ? AND n GLOB 'a*' ORDER BY abs(n) LIMIT 3",
    "SELECT count(*), SUM(n), group_concat(n), max(n), median(n), avg(n) FROM T",
    "SELECT row_number() OVER (ORDER BY n), lag(n) OVER (ORDER BY n) FROM t",
    "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 3) SELECT * FROM c",
    "SELECT value FROM json_each(?), t",
    "SELECT * FROM json_tree",
    'SELECT * FROM "pragma_Größe"',
    "SELECT name, sql FROM sqlite_schema",
    "SELECT type FROM sqlite_master",
    "SELECT json_object('a', n), instr('ab', 'b'), trim(n, 'x'), format('%d', n) FROM plain",
    "SELECT highlight(notes, 0, '<', '>'), bm25(notes) FROM notes('a') ORDER BY rank",
    "SELECT id FROM boxes WHERE low > 1",
    "VALUES (1), (2)",
]


@pytest.mark.parametrize("sql", DETERMINED)
def test_rows_that_follow_from_the_database(sql: str, session: Session) -> None:
    assert determined(session, sql)


NOT_DETERMINED = [
    "SELECT random()",
    "SELECT n FROM t ORDER BY RANDOM() LIMIT 1",
    "SELECT hex(randomblob(8))",
    "SELECT n FROM by_chance",
    "SELECT n FROM of_a_view",
    "SELECT 1 WHERE EXISTS (SELECT 1 FROM of_a_view)",
    "WITH c AS (SELECT random() AS r) SELECT r FROM c",
    "SELECT date('now')",
    "SELECT date()",
    "SELECT n FROM t WHERE at < datetime('now')",
    "SELECT strftime('%s', at), unixepoch(at), julianday(at), time(at), timediff(at, at) FROM t",
    "SELECT CURRENT_TIMESTAMP",
    "SELECT current_date, current_time",
    "SELECT changes()",
    "SELECT total_changes()",
    "SELECT last_insert_rowid()",
    "SELECT uid()",
    "SELECT sqlite_version()",
    "SELECT count(*) FROM pragma_compile_options",
    "SELECT * FROM pragma_table_info('t')",
    "SELECT count(*) FROM dbstat",
    "SELECT * FROM sqlite_temp_schema",
    "PRAGMA table_info(t)",
    "PRAGMA data_version",
    "PRAGMA integrity_check",
]


@pytest.mark.parametrize("sql", NOT_DETERMINED)
def test_rows_that_follow_from_something_else_too(sql: str, session: Session) -> None:
    assert not determined(session, sql)


def test_what_one_statement_asks_is_not_held_against_the_next(session: Session) -> None:
    assert not determined(session, "SELECT random() FROM pragma_database_list")
    assert determined(session, "SELECT n FROM t")


def test_each_function_of_sqlite_that_is_not_deterministic_is_known(session: Session) -> None:
    """A new version of SQLite may have another: look whether it is one of full text."""
    names = {name for (name,) in session.run("SELECT name FROM pragma_function_list")}

    assert names - _deterministic() == {
        "changes", "current_date", "current_time", "current_timestamp", "date", "datetime", "fts5",
        "fts3_tokenizer", "fts5_get_locale", "fts5_insttoken", "fts5_locale", "geopoly_debug",
        "julianday", "last_insert_rowid", "load_extension", "optimize", "random", "randomblob",
        "rtreecheck", "rtreedepth", "rtreenode", "sqlite_compileoption_get",
        "sqlite_compileoption_used", "sqlite_log", "sqlite_source_id", "sqlite_version", "strftime",
        "time", "timediff", "total_changes", "uid", "unixepoch",
    }  # fmt: skip
