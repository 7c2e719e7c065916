"""A schema that another connection has changed: what is asked next is asked of the new one."""

from pathlib import Path

import apsw
import pytest

from tests.conftest import Ask


def test_a_column_that_another_connection_renamed_can_be_dropped(ask: Ask, directory: Path) -> None:
    ask(query="CREATE TABLE t (a, b)")
    ask(query="SELECT * FROM t")
    elsewhere(directory, "ALTER TABLE t RENAME COLUMN b TO c")

    ask(query="ALTER TABLE t DROP COLUMN c")

    assert ask(query="SELECT * FROM t")["columns"] == ["a"]


def test_a_column_that_this_process_renamed_can_be_dropped(ask: Ask) -> None:
    ask(query="CREATE TABLE t (a, b)")
    ask(query="ALTER TABLE t RENAME COLUMN b TO c")

    ask(query="ALTER TABLE t DROP COLUMN c")

    assert ask(query="SELECT * FROM t")["columns"] == ["a"]


def test_a_union_that_fits_since_another_connection_added_a_column(
    ask: Ask, refused: Ask, directory: Path
) -> None:
    ask(query="CREATE TABLE t (a)")
    union = "SELECT * FROM t UNION SELECT 1, 2"
    assert refused(query=union)["code"] == "STATEMENT_ERROR"
    elsewhere(directory, "ALTER TABLE t ADD COLUMN b")

    assert ask(query=union)["rows"] == [[1, 2]]


@pytest.mark.parametrize("rows", [0, 1, 20])
def test_columns_are_those_of_the_rows_though_another_connection_added_one(
    rows: int, ask: Ask, directory: Path
) -> None:
    ask(query="CREATE TABLE t (a)")
    ask(query="INSERT INTO t VALUES (?)", parameter_sets=[[n] for n in range(rows)])
    assert ask(query="SELECT * FROM t")["columns"] == ["a"]
    elsewhere(directory, "ALTER TABLE t ADD COLUMN b DEFAULT 7")

    reply = ask(query="SELECT * FROM t", rows_as="objects")

    assert reply["columns"] == ["a", "b"]
    assert reply["rows"] == [{"a": n, "b": 7} for n in range(rows)]


PRAGMAS = {
    "PRAGMA index_list(c)": [[0, "ci", 0, "c", 0]],
    "PRAGMA index_info(ci)": [[0, 1, "x"]],
    "PRAGMA foreign_key_list(c)": [[0, 0, "p", "x", "id", "NO ACTION", "NO ACTION", "NONE"]],
    "PRAGMA table_info(p)": [[0, "id", "INTEGER", 0, None, 1], [1, "y", "", 0, None, 0]],
}


@pytest.mark.parametrize("pragma", PRAGMAS)
def test_a_pragma_knows_what_was_made_since_it_was_last_asked(pragma: str, ask: Ask) -> None:
    ask(query="CREATE TABLE p (id INTEGER PRIMARY KEY)")
    assert ask(query=pragma)["rows"] != PRAGMAS[pragma]
    ask(
        statements=[
            {"query": "ALTER TABLE p ADD COLUMN y"},
            {"query": "CREATE TABLE c (id, x REFERENCES p (id))"},
            {"query": "CREATE INDEX ci ON c (x)"},
        ]
    )

    assert ask(query=pragma)["rows"] == PRAGMAS[pragma]


def elsewhere(directory: Path, sql: str) -> None:
    connection = apsw.Connection(str(directory / "main.db"))
    connection.execute("PRAGMA journal_mode = PERSIST")
    connection.execute(sql)
    connection.close()
