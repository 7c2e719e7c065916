"""A schema may not hang on the time: what SQLite refuses of that is refused over libSQL too."""

from pathlib import Path
from typing import Any

import apsw
import pytest

from handler.service import service
from tests.conftest import Ask
from tests.hrana.client import Client, plain

OLD = "'2001-02-03 04:05:06'"
DEFINED: dict[str, list[str]] = {
    "index on now": ["CREATE INDEX i ON t (date('now'))", "INSERT INTO t VALUES (2)"],
    "index on no time": ["CREATE INDEX i ON t (julianday())"],
    "index on the local time": ["CREATE INDEX i ON t (datetime(x, 'localtime'))"],
    "index on the time in UTC": ["CREATE INDEX i ON t (datetime(x, 'utc'))"],
    "index on the fraction of now": ["CREATE INDEX i ON t (unixepoch('subsec'))"],
    "index on CURRENT_DATE": ["CREATE INDEX i ON t (CURRENT_DATE)"],
    "partial index": ["CREATE INDEX i ON t (x) WHERE x < datetime('now')"],
    "index on timediff": ["CREATE INDEX i ON t (timediff(x, 'now'))"],
    "index on a date": ["CREATE INDEX i ON t (date(x))", f"INSERT INTO t VALUES ({OLD})"],
    "a row of now in an index on a date": [
        "CREATE INDEX i ON t (date(x))", "INSERT INTO t VALUES ('now')", "DELETE FROM t",
    ],
    "index on a date of a row of now": [
        "INSERT INTO t VALUES ('now')", "CREATE INDEX i ON t (date(x))",
    ],
    "CHECK": ["CREATE TABLE u (x CHECK (x < datetime('now')))", f"INSERT INTO u VALUES ({OLD})"],
    "CHECK of strftime": [
        "CREATE TABLE u (x CHECK (x < strftime('%s', 'now')))", "INSERT INTO u VALUES (1)",
    ],
    "CHECK of CURRENT_TIMESTAMP": [
        "CREATE TABLE u (x CHECK (x < CURRENT_TIMESTAMP))", f"INSERT INTO u VALUES ({OLD})",
    ],
    "CHECK of a default of now": [
        "CREATE TABLE u (n, x DEFAULT (datetime('now')) CHECK (x IS datetime(x)))",
        "INSERT INTO u (n) VALUES (1)", "INSERT INTO u (n, x) VALUES (1, 'now')",
    ],
    "stored column": [
        "CREATE TABLE u (x, y AS (julianday('now')) STORED)", "INSERT INTO u VALUES (1)",
    ],
    "virtual column": [
        "CREATE TABLE u (x, y AS (julianday('now')))", "INSERT INTO u VALUES (1)",
        "SELECT y FROM u", "SELECT x FROM u",
    ],
    "virtual column of a date": [
        "CREATE TABLE u (x, y AS (date(x)))", f"INSERT INTO u VALUES ({OLD})", "SELECT y FROM u",
        "INSERT INTO u VALUES ('now')", "SELECT y FROM u",
    ],
    "added virtual column": ["ALTER TABLE t ADD COLUMN y AS (date('now'))", "SELECT y FROM t"],
    "added CHECK": [
        "ALTER TABLE t ADD COLUMN y CHECK (y < date('now'))", "INSERT INTO t VALUES (1, 1)",
    ],
    "added default": ["ALTER TABLE t ADD COLUMN y DEFAULT CURRENT_DATE"],
    "index on chance": ["CREATE INDEX i ON t (random())"],
}  # fmt: skip
"""Statements on a table t of one row, and what stock SQLite makes of them is what is right."""


@pytest.mark.parametrize("name", DEFINED)
def test_a_definition_that_hangs_on_the_time_is_refused_as_by_sqlite(
    name: str, client: Client, ask: Ask, tmp_path: Path
) -> None:
    setup = ["CREATE TABLE t (x)", f"INSERT INTO t VALUES ({OLD})"]
    client.stream().ask(*({"type": "execute", "stmt": {"sql": sql}} for sql in setup))
    stock = apsw.Connection(str(tmp_path / "stock.db"))
    for sql in setup:
        stock.execute(sql)

    for sql in DEFINED[name]:
        assert told(client, sql) == expected(stock, sql), sql
    service().close()
    assert ask(query="PRAGMA integrity_check")["rows"] == [["ok"]]


def told(client: Client, sql: str) -> Any:
    (result,) = client.stream().ask({"type": "execute", "stmt": {"sql": sql}})
    if result["type"] == "error":
        return result["error"]["message"].partition(" (at offset")[0]
    return plain(result["response"]["result"])


def expected(stock: apsw.Connection, sql: str) -> Any:
    try:
        return [list(row) for row in stock.execute(sql)]
    except apsw.SQLError as error:
        return str(error)


def test_the_time_of_defaults_and_triggers_is_the_same_when_it_is_run_again(
    client: Client, ask: Ask
) -> None:
    for sql in (
        "CREATE TABLE t (n, at DEFAULT (strftime('%f', 'now')))",
        "CREATE TABLE log (at, day DEFAULT CURRENT_TIMESTAMP)",
        "CREATE VIEW v AS SELECT unixepoch('subsec') AS at FROM t",
        "CREATE TRIGGER noted AFTER INSERT ON t BEGIN"
        " INSERT INTO log (at) VALUES (datetime('now', 'subsec')); END",
    ):
        ask(query=sql)
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("INSERT INTO t (n) VALUES (1)")
    said = [plain(stream.execute(f"SELECT * FROM {name}")) for name in ("t", "log", "v")]
    stream.execute("INSERT INTO t (n) SELECT 2 FROM v")
    stream.execute("COMMIT")

    assert ask(query="SELECT * FROM t LIMIT 1")["rows"] == said[0]
    assert ask(query="SELECT * FROM log LIMIT 1")["rows"] == said[1]


@pytest.mark.only_with("inplace", because="a copy of a log is made anew, not recovered")
def test_the_file_of_the_pinned_time_is_read_as_the_ordinary_one(
    client: Client, ask: Ask, directory: Path
) -> None:
    """SQLite tries for a lock, which a reader's file cannot have, where a creation was killed."""
    said = []
    for read in (client.rows, lambda sql: ask(query=sql)["rows"]):
        service().close()
        for path in directory.glob("main.db*"):
            path.unlink()
        (directory / "main.db").touch()
        (directory / "main.db-journal").write_bytes(b"\xd9" * 600)
        said.append(read("SELECT name FROM sqlite_schema"))
        service.cache_clear()

    assert said[0] == said[1]
