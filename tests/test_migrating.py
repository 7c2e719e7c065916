"""The page on moving a SQLite file in: its commands are run, what it says is different is."""

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.client import Client, connect
from sqlatch.kernel.errors import Constraint, ForbiddenStatement, StatementError
from tests.cloudformation import ROOT
from tests.command.conftest import serving
from tests.pages import blocks, steps

PAGE = (ROOT / "docs" / "migrating-from-sqlite.md").read_text()
STEPS = steps(PAGE)

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA user_version = 7;
CREATE TABLE "tree kinds" (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE tree (id INTEGER PRIMARY KEY AUTOINCREMENT, kind REFERENCES "tree kinds", leaf BLOB);
CREATE INDEX by_kind ON tree (kind);
CREATE VIEW oaks AS SELECT * FROM tree WHERE kind = 1;
CREATE TRIGGER kept BEFORE DELETE ON tree BEGIN SELECT raise(ABORT, 'trees are kept'); END;
INSERT INTO "tree kinds" VALUES (1, 'oak'), (2, 'élm');
"""
FULL_TEXT = "CREATE VIRTUAL TABLE words USING fts5(word); INSERT INTO words VALUES ('alpha beta');"
TREES = 12_000

TRANSFER = """
import json, os, pathlib, shutil, sys, types
os.environ |= {"BUCKET": "bucket", "SQLATCH_DATABASES": "databases"}
from handler import transfer
from handler.local import LocalContext
transfer._bucket = lambda: types.SimpleNamespace(
    download_file=lambda key, path: shutil.copy(pathlib.Path("bucket", key), path)
)
print(transfer.lambda_handler(json.loads(sys.argv[1]), LocalContext()))
"""

# What stands for AWS: a directory is the bucket, and the transfer stack's function runs here.
AWS = f"""
sqlatch() {{ "{sys.executable}" -m sqlatch "$@"; }}
aws() {{ cp "$3" "bucket/${{4##*/}}"; }}
transfer() {{ "{sys.executable}" -c "$TRANSFER" "$1"; }}
"""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Path]:
    """A directory with `app.sqlite3`, whose newest rows lie in its WAL: it is open elsewhere."""
    (tmp_path / "databases").mkdir()
    (tmp_path / "bucket").mkdir()
    with closing(sqlite3.connect(tmp_path / "app.sqlite3", isolation_level=None)) as running:
        running.execute("PRAGMA wal_autocheckpoint = 0")
        running.executescript(SCHEMA)
        running.execute("BEGIN")
        rows = ((1 + number % 2, bytes([number % 256, 255])) for number in range(TREES))
        running.executemany("INSERT INTO tree (kind, leaf) VALUES (?, ?)", rows)
        running.execute("COMMIT")
        yield tmp_path


@pytest.fixture
def url(here: Path) -> Iterator[str]:
    with serving(here / "databases") as url:
        yield f"{url}/app"


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with connect(url) as client:
        yield client


def run(here: Path, *command: str, **variables: str) -> str:
    done = subprocess.run(
        command, cwd=here, env=os.environ | {"PYTHONPATH": str(ROOT)} | variables,
        capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def copied(here: Path) -> str:
    (code,) = blocks(STEPS["1"], "python")
    return run(here, sys.executable, "-c", code)


def moved_in(here: Path, url: str, way: str) -> None:
    onto_efs, on_this_machine = blocks(STEPS["2"], "sh")
    (through_the_service,) = blocks(STEPS["2"], "python")
    script = {"onto EFS": onto_efs, "on this machine": on_this_machine}
    if way in script:
        run(here, "bash", "-euc", AWS + script[way], SQLATCH_URL=url, TRANSFER=TRANSFER)
    else:
        run(here, sys.executable, "-c", through_the_service, SQLATCH_URL=url)


def counted(here: Path, url: str) -> str:
    (code,) = blocks(STEPS["3"], "python")
    return run(here, sys.executable, "-c", code, SQLATCH_URL=url)


COUNTS = f"ok\ntree kinds 2 rows\ntree {TREES} rows\n"


@pytest.mark.parametrize("way", ["onto EFS", "on this machine", "through the service"])
def test_all_of_a_file_is_there_by_each_way_of_the_page(
    here: Path, url: str, client: Client, way: str
) -> None:
    assert copied(here) == "[('ok',)]\n[]\n"
    moved_in(here, url, way)

    assert counted(here, url) == COUNTS
    with closing(sqlite3.connect(here / "app.sqlite3")) as source:
        for table in ('"tree kinds"', "tree", "oaks"):
            sql = f"SELECT * FROM {table} ORDER BY id"
            assert client.query(sql).rows == source.execute(sql).fetchall()
    with pytest.raises(Constraint, match="trees are kept"):
        client.execute("DELETE FROM tree")


def test_the_count_of_the_page_sees_what_is_missing(here: Path, url: str, client: Client) -> None:
    copied(here)
    moved_in(here, url, "on this machine")
    client.execute("DROP TRIGGER kept")
    client.execute("DELETE FROM tree WHERE id = 5")

    assert f"tree {TREES - 1} rows, and {TREES} in the file\n" in counted(here, url)


def test_a_full_text_index_comes_in_with_the_file(here: Path, url: str, client: Client) -> None:
    with closing(sqlite3.connect(here / "app.sqlite3")) as source:
        source.executescript(FULL_TEXT)
    copied(here)
    moved_in(here, url, "onto EFS")

    assert client.query("SELECT * FROM words WHERE words MATCH 'beta'").rows == [("alpha beta",)]


def test_a_database_of_that_name_is_never_replaced(here: Path, url: str, client: Client) -> None:
    client.execute("CREATE TABLE mine AS SELECT 1 AS n")
    copied(here)

    with pytest.raises(AssertionError, match="FileExistsError"):
        moved_in(here, url, "onto EFS")

    assert client.query("SELECT n FROM mine").value() == 1


def test_a_broken_foreign_key_is_named(here: Path) -> None:
    with closing(sqlite3.connect(here / "app.sqlite3")) as source, source:
        source.execute("INSERT INTO tree (id, kind) VALUES (99999, 3)")

    assert copied(here) == "[('ok',)]\n[('tree', 99999, 'tree kinds', 0)]\n"


def test_what_lies_in_a_wal_is_lost_without_it_and_taken_in_with_it(
    here: Path, url: str, client: Client
) -> None:
    """The warnings of the page hold; and a `-wal` that came along is not left behind."""
    database = here / "databases" / "app.db"
    shutil.copy(here / "app.sqlite3", here / "databases" / "alone.db")
    shutil.copy(here / "app.sqlite3", database)
    shutil.copy(here / "app.sqlite3-wal", f"{database}-wal")

    assert client.query("SELECT count(*) FROM tree").value() == TREES
    assert sorted(path.name for path in database.parent.glob("app*")) == [
        "app.db",
        "app.db-journal",
    ]
    with (
        connect(url.replace("/app", "/alone")) as alone,
        pytest.raises(StatementError, match="no such table"),
    ):
        alone.query("SELECT count(*) FROM tree")


REFUSED = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = 100",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA foreign_keys = OFF",
    "BEGIN",
    "COMMIT",
    "SAVEPOINT s",
    "ATTACH 'other.db' AS other",
    "CREATE TEMPORARY TABLE t (n)",
    "SELECT load_extension('x')",
    "CREATE TABLE sqlatch_mine (n)",
]


@pytest.mark.parametrize("sql", REFUSED)
def test_what_the_page_says_is_refused_is(client: Client, sql: str) -> None:
    client.execute("CREATE TABLE t (n)")

    with pytest.raises(ForbiddenStatement):
        client.execute(sql)


def test_the_rest_of_what_the_page_says_is_different_is(
    here: Path, url: str, client: Client
) -> None:
    with closing(sqlite3.connect(here / "app.sqlite3")) as source, source:
        source.create_collation("mine", lambda a, b: (a > b) - (a < b))
        source.create_function("mine", 1, str, deterministic=True)
        source.execute("CREATE TABLE sorted (word TEXT COLLATE mine)")
        source.execute("CREATE VIEW computed AS SELECT mine(id) FROM tree")
        source.execute("CREATE TABLE odd AS SELECT CAST(x'ff41' AS TEXT) AS word")
    with pytest.raises(AssertionError, match="no such collation sequence: mine"):
        copied(here)
    with closing(sqlite3.connect(here / "app.sqlite3")) as source:
        source.create_collation("mine", lambda a, b: (a > b) - (a < b))
        source.execute("VACUUM INTO ?", (str(here / "app.db"),))
    moved_in(here, url, "on this machine")

    assert client.query("PRAGMA user_version").value() == 7
    for sql, said in [
        ("SELECT * FROM sorted ORDER BY word", "no such collation sequence: mine"),
        ("SELECT * FROM computed", "no such function: mine"),
        ("SELECT word FROM odd", "a text value is not UTF-8"),
    ]:
        with pytest.raises(StatementError, match=said):
            client.query(sql)
    assert client.query("SELECT CAST(word AS BLOB) FROM odd").value() == b"\xffA"
    assert client.query("SELECT json('[1]'), sqrt(4)").rows == [("[1]", 2.0)]
    modules = {name for (name,) in client.query("PRAGMA module_list").rows}
    assert {"fts3", "fts4", "fts5", "rtree", "geopoly"} <= modules
    with pytest.raises(Constraint):
        client.execute("INSERT INTO tree (kind) VALUES (3)")
    client.batch([
        "PRAGMA defer_foreign_keys = ON",
        "INSERT INTO tree (kind) VALUES (3)",
        "INSERT INTO \"tree kinds\" VALUES (3, 'ash')",
    ])  # fmt: skip
