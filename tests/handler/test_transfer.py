"""The transfer function: databases out to a bucket and back, on real files, S3 as moto has it."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import pytest

from handler import transfer
from handler.local import LocalContext
from handler.service import service
from sqlatch.kernel.errors import (
    BadEvent,
    DatabaseCorrupt,
    DatabaseNotFound,
    SqlatchError,
    StorageError,
)
from storage.inplace import copies
from tests import dynamodb_server
from tests.conftest import Ask, forget

Move = Callable[..., dict[str, Any]]
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
WRITES_UNTIL_TOLD = """
import sys, threading, time
from handler import local
told = threading.Thread(target=sys.stdin.read)
told.start()
count = 0
while told.is_alive():
    local.invoke({"query": "INSERT INTO t VALUES ('late')"})
    count += 1
    if count == 1:
        print("begun", flush=True)
    time.sleep(0.02)
print(count)
"""


@pytest.fixture
def environment(directory: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a function, its leases in a file."""
    monkeypatch.setenv("SQLATCH_DATABASES", str(directory))
    service.cache_clear()
    yield {}
    forget(service)


@pytest.fixture(scope="module")
def dynamodb_url(moto_url: str) -> str:
    """Leases are in the same server as the bucket."""
    return moto_url


@pytest.fixture
def bucket(
    environment: dict[str, str], dynamodb_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Any]:
    """A bucket in moto's server, which plays all of AWS."""
    import boto3

    for name, value in dynamodb_server.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", dynamodb_url)
    monkeypatch.setenv("BUCKET", f"copies-{uuid4()}")
    resource = boto3.resource("s3")
    bucket = resource.create_bucket(Bucket=os.environ["BUCKET"])
    yield bucket
    resource.meta.client.close()


@pytest.fixture
def move(bucket: Any) -> Move:
    """Call the function; a `bucket` of the service's own answers."""

    def move(**event: Any) -> dict[str, Any]:
        return transfer.lambda_handler(event, LocalContext())

    return move


@pytest.fixture
def live(ask: Ask, directory: Path) -> Path:
    ask(query="CREATE TABLE t (text TEXT)")
    ask(query="INSERT INTO t VALUES (?)", parameter_sets=[["x" * 100]] * 2000)
    return directory / "main.db"


def scalar(path: Path, sql: str = "SELECT count(*) FROM t") -> Any:
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(sql).get


def kept(bucket: Any, key: str, tmp_path: Path) -> Path:
    path = tmp_path / "kept.db"
    bucket.download_file(key, str(path))
    return path


def test_a_copy_out_holds_what_was_committed(
    move: Move, bucket: Any, live: Path, tmp_path: Path
) -> None:
    told = move(move="out", database="main", key="a.db")

    copy = kept(bucket, "a.db", tmp_path)
    assert told == {"main": {"key": "a.db", "size_bytes": copy.stat().st_size, "foreign_keys": 0}}
    assert scalar(copy) == 2000
    assert scalar(copy, "PRAGMA journal_mode") == "delete"


def test_a_database_that_fails_keeps_no_other_from_its_copy(
    move: Move, ask: Ask, bucket: Any, live: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in ("alpha", "zulu"):
        ask(query="CREATE TABLE t (n)", database=name)
    service().databases.close()
    with live.with_name("broken.db").open("wb") as file:
        file.write(b"no database at all " * 1000)
    capfd.readouterr()

    told = move(move="out")

    assert sorted(told["copied"]) == ["alpha", "main", "zulu"]
    assert told["failed"]["broken"]["code"] == "DATABASE_CORRUPT"
    assert sorted(one.key.partition("/")[0] for one in bucket.objects.all()) == [
        "alpha", "main", "zulu",
    ]  # fmt: skip
    line = capfd.readouterr().err
    assert '"CopiesFailed":1' in line
    assert '"CopiesComplete":0' in line


def test_when_all_are_copied_the_metrics_say_so(
    move: Move, live: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()

    told = move(move="out")

    line = capfd.readouterr().err
    assert (list(told["copied"]), told["failed"]) == (["main"], {})
    assert '"CopiesFailed":0' in line
    assert '"CopiesComplete":1' in line


def test_the_database_whose_last_copy_is_oldest_is_copied_first(
    move: Move, ask: Ask, bucket: Any, live: Path
) -> None:
    for name in ("alpha", "never", "zulu"):
        ask(query="CREATE TABLE t (n)", database=name)
    for key in ("zulu/2026-01-01T000000Z.db", "main/2026-01-02T000000Z.db",
                "alpha/2025-01-01T000000Z.db", "alpha/2026-01-03T000000Z.db"):  # fmt: skip
        bucket.put_object(Key=key, Body=b"")

    assert list(move(move="out")["copied"]) == ["never", "zulu", "main", "alpha"]


def test_a_function_that_runs_out_of_time_names_what_it_did_not_reach(
    bucket: Any, live: Path
) -> None:
    out_of_time = LocalContext(ends_at_s=0)

    told = transfer.lambda_handler({"move": "out"}, out_of_time)

    assert told["failed"]["main"]["code"] == "TIMEOUT"


def test_a_hot_journal_is_recovered_under_the_lease_before_the_copy(
    move: Move, bucket: Any, live: Path, tmp_path: Path
) -> None:
    service().databases.close()
    subprocess.run([sys.executable, "-c", DIES_IN_MID_COMMIT, str(live)], check=False)
    with closing(
        apsw.Connection(
            f"file:{live}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
    ) as torn:
        assert torn.execute("SELECT count(*) FROM t WHERE text = upper(text)").get, "no page yet"

    move(move="out", database="main", key="a.db")

    copy = kept(bucket, "a.db", tmp_path)
    assert scalar(copy, "SELECT count(*) FROM t WHERE text = upper(text)") == 0
    assert live.with_name("main.db-journal").exists()


def test_a_view_that_only_a_newer_sqlite_knows_is_copied(
    move: Move, ask: Ask, bucket: Any, live: Path, tmp_path: Path
) -> None:
    """By the service's own SQLite; an older one calls such a schema malformed."""
    ask(query="CREATE VIEW v AS SELECT string_agg(text, ',' ORDER BY text) AS s FROM t")

    move(move="out", database="main", key="a.db")

    assert scalar(kept(bucket, "a.db", tmp_path), "SELECT length(s) FROM v") == 2000 * 101 - 1


def test_a_foreign_key_without_a_unique_parent_is_told_and_not_refused(
    move: Move, ask: Ask, live: Path
) -> None:
    ask(query="CREATE TABLE c (t REFERENCES t (text))")

    told = move(move="out", database="main", key="a.db")

    assert "foreign key mismatch" in told["main"]["foreign_keys"]


@pytest.fixture
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "STEP_PAGES", 5)


@pytest.mark.usefixtures("_small_steps")
def test_commits_get_through_while_a_large_database_is_copied(
    move: Move, bucket: Any, live: Path, tmp_path: Path
) -> None:
    """And readers are not refused: no lock is held for the time of the whole copy."""
    reads = []
    with subprocess.Popen(
        [sys.executable, "-c", WRITES_UNTIL_TOLD],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as writer:  # fmt: skip
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert writer.stdout.readline() == "begun\n"
        copying = threading.Thread(
            target=move, kwargs={"move": "out", "database": "main", "key": "a.db"}
        )
        copying.start()
        with closing(apsw.Connection(str(live), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
            reader.set_busy_timeout(10_000)
            while copying.is_alive():
                reads.append(reader.execute("SELECT count(*) FROM t").get)
        copying.join()
        writer.stdin.close()
        written = int(writer.stdout.read())

    copied = scalar(kept(bucket, "a.db", tmp_path))
    assert reads
    assert 2000 < copied <= 2000 + written == scalar(live)


@pytest.mark.usefixtures("_small_steps")
def test_where_commits_never_cease_the_copy_is_made_under_the_lease(
    move: Move, ask: Ask, bucket: Any, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leases: list[int] = []

    def write_between_steps(_wait_s: float) -> None:
        held = service().leases.held()
        leases.append(len(held))
        if not held:
            ask(query="INSERT INTO t VALUES ('late')")

    monkeypatch.setattr(copies, "sleep", write_between_steps)
    move(move="out", database="main", key="a.db")

    copy = kept(bucket, "a.db", live.parent.parent)
    assert scalar(copy) == scalar(live) == 2000 + leases.count(0)
    assert leases.count(0) >= copies.RESTARTS_MAX
    assert 1 in leases
    assert service().leases.held() == []


@pytest.mark.usefixtures("_small_steps")
def test_a_program_that_writes_without_the_lease_ends_no_other_copy(
    move: Move, ask: Ask, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(query="CREATE TABLE t (n)", database="zulu")

    def write_past_the_lease(_wait_s: float) -> None:
        with closing(apsw.Connection(str(live))) as connection:
            connection.execute("PRAGMA journal_mode = PERSIST").fetchall()
            connection.execute("INSERT INTO t VALUES ('past')")

    monkeypatch.setattr(copies, "sleep", write_past_the_lease)
    told = move(move="out")

    assert list(told["copied"]) == ["zulu"]
    assert told["failed"]["main"]["code"] == "DATABASE_BUSY"
    assert service().leases.held() == []


def test_a_database_comes_in_under_its_name_and_out_of_wal(
    move: Move, ask: Ask, bucket: Any, live: Path, tmp_path: Path
) -> None:
    arriving = tmp_path / "orders.db"
    with closing(apsw.Connection(str(arriving))) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("CREATE TABLE t (n); INSERT INTO t VALUES (7)").fetchall()
    bucket.upload_file(str(arriving), "orders.db")

    move(move="in", database="orders", key="orders.db")

    assert ask(query="SELECT n FROM t", database="orders")["rows"] == [[7]]
    assert not list(live.parent.glob(".*.arriving*"))


def test_a_database_never_comes_in_over_another(move: Move, bucket: Any, live: Path) -> None:
    move(move="out", database="main", key="a.db")

    with pytest.raises(BadEvent, match="'main' exists: 'over' replaces"):
        move(move="in", database="main", key="a.db")

    assert not list(live.parent.glob(".*.arriving*"))


def test_over_replaces_what_is_there_under_the_lease_and_keeps_the_journal(
    move: Move, ask: Ask, live: Path
) -> None:
    move(move="out", database="main", key="a.db")
    ask(query="DELETE FROM t")

    with closing(apsw.Connection(str(live), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
        assert reader.execute("SELECT count(*) FROM t").get == 0
        move(move="over", database="main", key="a.db")
        assert reader.execute("SELECT count(*) FROM t").get == 2000

    assert live.with_name("main.db-journal").exists()
    assert ask(query="INSERT INTO t VALUES ('on')")["rows_affected"] == 1
    assert service().leases.held() == []


def test_a_broken_copy_never_comes_in(
    move: Move, ask: Ask, bucket: Any, live: Path, tmp_path: Path
) -> None:
    move(move="out", database="main", key="a.db")
    copy = kept(bucket, "a.db", tmp_path)
    with copy.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xff" * 4096)
    bucket.upload_file(str(copy), "broken.db")

    for how, name in (("over", "main"), ("in", "other")):
        with pytest.raises(DatabaseCorrupt):
            move(move=how, database=name, key="broken.db")

    assert ask(query="SELECT count(*) FROM t")["rows"] == [[2000]]
    assert not live.with_name("other.db").exists()


REFUSED: list[tuple[dict[str, Any], type[SqlatchError], str]] = [
    ({}, BadEvent, "`move` is one of out, in, over"),
    ({"move": "away"}, BadEvent, "`move` is one of"),
    ({"move": "out", "recover": True}, BadEvent, "unknown field 'recover'"),
    ({"move": "out", "key": "a.db"}, BadEvent, "`key` is for one database"),
    ({"move": "in", "database": "a"}, BadEvent, "'in' needs `database` and `key`"),
    ({"move": "over", "key": "a.db"}, BadEvent, "'over' needs `database` and `key`"),
    *(
        ({"move": "out", "database": name}, BadEvent, "not a database name")
        for name in ("../main", "Main", "a" * 64, "", 7)
    ),
    ({"move": "out", "database": "none"}, DatabaseNotFound, "'none' does not exist"),
    ({"move": "in", "database": "a", "key": "none.db"}, StorageError, "the bucket 'copies-"),
]


@pytest.mark.parametrize(("event", "error", "said"), REFUSED)
def test_what_cannot_be_done_is_refused_by_name(
    move: Move, live: Path, event: dict[str, Any], error: type[SqlatchError], said: str
) -> None:
    with pytest.raises(error, match=said):
        move(**event)


def test_a_bucket_that_is_gone_is_named_for_each_database(
    move: Move, live: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUCKET", "no-such-bucket")

    with pytest.raises(StorageError, match="'no-such-bucket'"):
        move(move="out")
