"""The function that copies databases in and out, taken from docs/transfer.yaml, on real files."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.cloudformation import load

CODE = load("docs/transfer.yaml")["Resources"]["TransferFunction"]["Properties"]["Code"]["ZipFile"]

DIES_IN_MID_COMMIT = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=PERSIST")
connection.execute("PRAGMA cache_size=2")
connection.execute("PRAGMA cache_spill=1")
connection.execute("BEGIN IMMEDIATE")
connection.execute("UPDATE t SET text = upper(text)")
os._exit(1)
"""


@pytest.fixture
def function() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(compile(CODE, "docs/transfer.yaml", "exec"), namespace)
    return namespace


@pytest.fixture
def live(tmp_path: Path) -> Path:
    (tmp_path / "efs").mkdir()
    return make(tmp_path / "efs" / "main.db", "persist", 2000)


def test_a_copy_out_holds_what_was_committed(
    function: dict[str, Any], live: Path, tmp_path: Path
) -> None:
    facts = function["take_out"](live, tmp_path / "copy.db")

    assert count(tmp_path / "copy.db") == 2000
    assert facts == {
        "bytes": (tmp_path / "copy.db").stat().st_size,
        "foreign_key_violations": 0,
    }


def test_a_copy_out_refuses_a_hot_journal_and_leaves_it(
    function: dict[str, Any], live: Path, tmp_path: Path
) -> None:
    kill_a_writer(live)
    journal = live.with_name("main.db-journal").read_bytes()

    with pytest.raises(sqlite3.OperationalError) as refusal:
        function["take_out"](live, tmp_path / "copy.db")

    assert refusal.value.sqlite_errorname == "SQLITE_READONLY_ROLLBACK"
    assert live.with_name("main.db-journal").read_bytes() == journal


def test_a_copy_out_of_a_restored_file_rolls_its_journal_back(
    function: dict[str, Any], live: Path, tmp_path: Path
) -> None:
    kill_a_writer(live)

    function["take_out"](live, tmp_path / "copy.db", recover=True)

    assert uppercase(tmp_path / "copy.db") == 0


def test_a_database_comes_in_under_its_name_and_out_of_wal(
    function: dict[str, Any], live: Path, tmp_path: Path
) -> None:
    bucket = Bucket()
    bucket.objects["orders.db"] = make(tmp_path / "copy.db", "wal", 10).read_bytes()

    function["move"]({"move": "in", "key": "orders.db"}, "orders", live.parent, bucket)

    assert count(live.with_name("orders.db")) == 10
    assert journal_mode(live.with_name("orders.db")) == "delete"
    assert {path.name for path in live.parent.iterdir()} == {
        "main.db",
        "main.db-journal",
        "orders.db",
    }


def test_a_database_never_comes_in_over_another(
    function: dict[str, Any], live: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileExistsError):
        function["bring_in"](make(tmp_path / "copy.db", "delete", 10), live)

    assert count(live) == 2000
    assert {path.name for path in live.parent.iterdir()} == {"main.db", "main.db-journal"}


def test_writing_over_a_database_keeps_its_journal_file(
    function: dict[str, Any], live: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(live)) as reader:
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (2000,)

        function["write_over"](make(tmp_path / "copy.db", "delete", 10), live)

        assert reader.execute("SELECT count(*) FROM t").fetchone() == (10,)
    assert live.with_name("main.db-journal").exists()


def test_a_broken_copy_never_comes_in(function: dict[str, Any], live: Path, tmp_path: Path) -> None:
    copy = make(tmp_path / "copy.db", "delete", 2000)
    with copy.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)

    with pytest.raises((ValueError, sqlite3.DatabaseError), match=r"integrity_check|malformed"):
        function["write_over"](copy, live)

    assert count(live) == 2000


@pytest.mark.parametrize("name", ["../main", "Main", "a" * 64, ""])
def test_a_name_that_is_none_is_refused(function: dict[str, Any], live: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a database name"):
        function["move"]({"move": "out"}, name, live.parent, None)


def test_every_database_goes_out_to_a_key_of_its_own(function: dict[str, Any], live: Path) -> None:
    make(live.with_name("orders.db"), "persist", 1)
    bucket = Bucket()

    names = function["every_database"](live.parent)
    moved = [function["move"]({"move": "out"}, name, live.parent, bucket)["key"] for name in names]

    assert names == ["main", "orders"]
    assert list(bucket.objects) == moved
    assert [key.partition("/")[0] for key in moved] == names


class Bucket:
    """As much of a bucket as the function uses."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def upload_file(self, path: str, key: str) -> None:
        self.objects[key] = Path(path).read_bytes()

    def download_file(self, key: str, path: str) -> None:
        Path(path).write_bytes(self.objects[key])


def make(path: Path, mode: str, rows: int) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode={mode}").fetchone()
        connection.execute("CREATE TABLE t (text TEXT)")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 100,)] * rows)
        connection.execute("COMMIT")
    return path


def kill_a_writer(live: Path) -> None:
    subprocess.run([sys.executable, "-c", DIES_IN_MID_COMMIT, str(live)], check=False)
    assert uppercase(live, uri_options="?immutable=1") > 0, "no page reached the file"


def count(path: Path) -> int:
    return int(scalar(path, "SELECT count(*) FROM t"))


def uppercase(path: Path, uri_options: str = "?mode=ro") -> int:
    return int(scalar(path, "SELECT count(*) FROM t WHERE text = upper(text)", uri_options))


def journal_mode(path: Path) -> Any:
    return scalar(path, "PRAGMA journal_mode")


def scalar(path: Path, sql: str, uri_options: str = "?mode=ro") -> Any:
    with closing(sqlite3.connect(f"{path.as_uri()}{uri_options}", uri=True)) as connection:
        return connection.execute(sql).fetchone()[0]
