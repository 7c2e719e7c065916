"""`sqlatch restore`: the database of a dump or of a file, equal, whatever stopped it before."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sqlatch.command import rows
from tests.command.conftest import Sqlatch
from tests.command.databases import KINDS, whole

pytestmark = pytest.mark.usefixtures("token")

FLIGHTS = """
CREATE TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE flights (id INTEGER PRIMARY KEY, carrier REFERENCES airlines, minutes REAL, note);
CREATE TABLE log (flight);
CREATE INDEX by_carrier ON flights (carrier);
CREATE TRIGGER logged AFTER INSERT ON flights BEGIN INSERT INTO log VALUES (new.id); END;
INSERT INTO airlines VALUES ('AA', 'American;
-- no comment'), ('UA', 'United');
WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 6000)
  INSERT INTO flights SELECT n, iif(n % 2, 'AA', 'UA'), n / 7.0, x'00ff' FROM i;
DELETE FROM log;
"""


@pytest.fixture
def file(url: str, databases: Path) -> Path:
    """The file of the test's database, which is not there yet."""
    return databases / f"{url.rpartition('/')[2]}.db"


def made(file: Path, script: str) -> Path:
    with closing(apsw.Connection(str(file))) as connection:
        connection.execute(script)
    return file


def content(file: Path) -> dict[str, Any]:
    with closing(apsw.Connection(str(file))) as connection:
        return whole(connection)


@pytest.mark.parametrize(
    "kind",
    ["values", "rowids", "without rowid", "generated columns", "references in a circle",
     "autoincrement", "hostile names", "fts5", "statistics"],
)  # fmt: skip
def test_every_kind_of_database_comes_back_from_a_file(
    kind: str, sqlatch: Sqlatch, file: Path, tmp_path: Path
) -> None:
    source = made(tmp_path / "source.db", KINDS[kind])

    ended = sqlatch("restore", str(source))

    assert ended.code == 0, ended.err
    assert content(file) == content(source)


def test_a_dump_that_is_restored_is_the_database_that_was_dumped(
    sqlatch: Sqlatch, url: str, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS_FIRST", 1_000)
    assert sqlatch("restore", str(made(tmp_path / "source.db", FLIGHTS))).code == 0
    dump = tmp_path / "main.sql"
    dump.write_text(sqlatch("dump").out, encoding="utf-8")

    ended = sqlatch("restore", "-u", f"{url}-again", str(dump))

    assert ended.code == 0, ended.err
    assert "flights: 6000 rows\n" in ended.out
    again = content(file.with_stem(f"{file.stem}-again"))
    assert again == content(file) == content(tmp_path / "source.db")
    assert sqlatch("restore", "-u", f"{url}-again", "--check", str(dump)).code == 0


def test_a_dump_of_sqlite_s_own_program_is_restored(
    sqlatch: Sqlatch, file: Path, tmp_path: Path
) -> None:
    dump = tmp_path / "main.sql"
    with closing(sqlite3.connect(made(tmp_path / "source.db", FLIGHTS))) as source:
        dump.write_text("\n".join(source.iterdump()), encoding="utf-8")

    assert sqlatch("restore", str(dump)).code == 0

    assert content(file) == content(tmp_path / "source.db")


KILL = """
import os, signal, sys
from sqlatch.command.main import run
from sqlatch.command.writing import Fenced

send, left = Fenced._send, int(sys.argv[1])

def die(self, steps):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    send(self, steps)

Fenced._send = die
run(sys.argv[2:])
"""


@pytest.mark.parametrize("suffix", ["db", "sql"])
def test_a_restore_that_was_killed_goes_on(
    suffix: str, sqlatch: Sqlatch, file: Path, tmp_path: Path
) -> None:
    source = made(tmp_path / "source.db", FLIGHTS)
    if suffix == "sql":
        source = tmp_path / "source.sql"
        source.write_text(FLIGHTS)
    arguments = [sys.executable, "-c", KILL, "4", "restore", str(source)]
    ended = subprocess.run(arguments, env=os.environ, check=False)
    assert ended.returncode == -signal.SIGKILL
    with closing(sqlite3.connect(file)) as there:
        assert there.execute("SELECT count(*) FROM unfinished_copy").fetchone() == (1,)

    assert sqlatch("restore", str(source)).code == 0

    assert content(file) == content(tmp_path / "source.db")


def test_a_database_that_is_another_one_is_kept_unless_it_is_to_be_replaced(
    sqlatch: Sqlatch, file: Path, tmp_path: Path
) -> None:
    source, other = made(tmp_path / "source.db", FLIGHTS), tmp_path / "other.sql"
    other.write_text("CREATE TABLE mine (a);\nINSERT INTO mine VALUES (1), (NULL);\n")
    assert sqlatch("restore", str(source)).code == 0
    before = content(file)

    refused = sqlatch("restore", str(other))

    assert (refused.code, content(file)) == (3, before)
    assert "--replace" in refused.err
    assert sqlatch("restore", "--check", str(other)).code == 3
    assert sqlatch("restore", "--replace", str(other)).code == 0
    with closing(sqlite3.connect(file)) as there:
        assert there.execute("SELECT a FROM mine").fetchall() == [(1,), (None,)]
        assert there.execute(
            "SELECT count(*) FROM sqlite_schema WHERE name = 'flights'"
        ).fetchone() == (0,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("CREATE TABLE t (a);\n\nINSERT INTO t VALUES\n(1, 2);\n", "line 3: table t has 1 columns"),
        ("BEGIN;\nCREATE TABLE t (a);\n", "cut off"),
        ("CREATE TABLE t (a);\nINSERT INTO t VALUES ('x", "line 2: "),
        (".mode csv\nCREATE TABLE t (a);\n", "line 1: '.mode csv' is a command"),
        ("ATTACH 'other.db' AS o;\n", "line 1: not authorized"),
        ("\x1f\x8b\0\0", "unpack it first"),
    ],
)
def test_a_file_that_is_no_database_is_named_and_nothing_is_made(
    text: str, said: str, sqlatch: Sqlatch, file: Path, tmp_path: Path
) -> None:
    dump = tmp_path / "main.sql"
    dump.write_text(text, encoding="latin-1")

    ended = sqlatch("restore", str(dump))

    assert (ended.code, file.exists()) == (7, False)
    assert said in ended.err


def test_a_file_that_is_damaged_is_named(sqlatch: Sqlatch, file: Path, tmp_path: Path) -> None:
    source = made(tmp_path / "source.db", FLIGHTS)
    with source.open("r+b") as damaged:
        damaged.truncate(20_000)

    ended = sqlatch("restore", str(source))

    assert ended.code == 7
    assert "malformed" in ended.err
