"""A replica: reads are answered from a copy in this process, all else is the leader's."""

import asyncio
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import sqlatch
from sqlatch import aio, dbapi
from sqlatch.client import Client
from sqlatch.errors import Constraint, DatabaseNotFound, LeaderUnreachable, StatementError
from sqlatch.failures import BadUrl
from sqlatch.transports import replica
from tests.sqlatch.leaders import Leader, leading
from tests.writers import ROOT

Open = Callable[..., Any]


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Leader]:
    with leading(tmp_path_factory.mktemp("leader")) as leader:
        yield leader


@pytest.fixture
def database(request: pytest.FixtureRequest) -> str:
    return f"d{abs(hash(request.node.name))}"


@pytest.fixture
def given(leader: Leader, database: str, tmp_path: Path) -> dict[str, Any]:
    """What `connect` is given; the token is for this database alone."""
    return {
        "url": f"replica+{leader.url}/{database}",
        "token": leader.token(database),
        "path": tmp_path / "copy",
    }


@pytest.fixture
def client(given: dict[str, Any]) -> Iterator[Client]:
    with sqlatch.connect(**given, timeout_s=5, attempt_s=5) as client:
        client.execute("CREATE TABLE t (n INTEGER UNIQUE)")
        yield client


@pytest.fixture
def other(leader: Leader, database: str) -> Iterator[Client]:
    """A client of the leader's."""
    token = leader.token(database)
    with sqlatch.connect(f"{leader.url}/{database}", token=token) as other:
        yield other


def count(client: Client, **freshness: Any) -> Any:
    return client.query("SELECT count(*) FROM t", **freshness).value()


def test_a_write_goes_to_the_leader_and_a_read_does_not(
    client: Client, other: Client, leader: Leader
) -> None:
    assert client.execute("INSERT INTO t VALUES (1)").meta["wrote"]
    before = leader.asked_for_rows()
    for _each in range(10):
        assert client.query("SELECT n FROM t").rows == [(1,)]
    assert leader.asked_for_rows() == before
    assert other.query("SELECT n FROM t").rows == [(1,)]


def test_what_was_written_here_is_read_at_once(client: Client, given: dict[str, Any]) -> None:
    with sqlatch.connect(**given, max_age_ms=999) as on_another_copy:
        for n in range(10):
            client.execute("INSERT INTO t VALUES (?)", [n])
            assert count(client) == count(on_another_copy) == n + 1


def test_what_others_write_is_read_after_sync(client: Client, other: Client) -> None:
    assert count(client) == 0
    position = other.execute("INSERT INTO t VALUES (1)").position
    assert client.sync() == position
    assert count(client) == 1


def test_what_others_write_arrives_by_itself(given: dict[str, Any], other: Client) -> None:
    other.execute("CREATE TABLE t (n)")
    with sqlatch.connect(**given, max_age_ms=100) as client:
        assert count(client) == 0
        other.execute("INSERT INTO t VALUES (1)")
        ends_at_s = time.monotonic() + 60
        while count(client) == 0:
            assert time.monotonic() < ends_at_s


def test_errors_are_those_of_the_service(client: Client) -> None:
    with pytest.raises(StatementError) as refused:
        client.query("SELECT * FROM none")
    assert type(refused.value) is StatementError
    client.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(Constraint, match="UNIQUE"):
        client.execute("INSERT INTO t VALUES (1)")


def test_a_database_that_is_not_there_is_made_by_a_write(given: dict[str, Any]) -> None:
    with sqlatch.connect(**given) as client:
        with pytest.raises(DatabaseNotFound):
            client.query("SELECT 1")
        client.execute("CREATE TABLE t (n)")
        assert count(client) == 0


def test_requests_about_a_database_as_a_whole_go_to_the_leader(client: Client) -> None:
    position = client.execute("INSERT INTO t VALUES (1)").position
    client.execute("DELETE FROM t")
    assert position in [commit.position for commit in client.history()]
    assert client.query("SELECT n FROM t", at=position).rows == [(1,)]


def test_while_the_leader_is_away_reads_go_on_and_writes_say_so(
    client: Client, leader: Leader
) -> None:
    client.execute("INSERT INTO t VALUES (1)")
    assert count(client) == 1
    leader.stop()
    try:
        read = client.query("SELECT n FROM t")
        assert read.rows == [(1,)]
        assert read.meta["age_ms"] > 0
        for refused in (lambda: client.execute("INSERT INTO t VALUES (2)"), client.sync):
            with pytest.raises(LeaderUnreachable) as told:
                refused()
            assert told.value.leader == leader.url
            assert told.value.facts["outcome"] == "nothing"
    finally:
        leader.start()
    client.execute("INSERT INTO t VALUES (2)")
    assert count(client) == 2


def test_a_copy_outlives_its_process_and_goes_on_from_its_position(
    client: Client, given: dict[str, Any], leader: Leader, other: Client
) -> None:
    client.execute("INSERT INTO t VALUES (1)")
    assert count(client) == 1
    client.close()
    other.execute("INSERT INTO t VALUES (2)")
    leader.asked.clear()
    with sqlatch.connect(**given) as again:
        assert count(again) == 2
    assert {path for path in leader.asked if "/files" in path} == set()


def test_a_copy_is_read_in_a_new_process_while_the_leader_is_away(
    client: Client, given: dict[str, Any], leader: Leader
) -> None:
    client.execute("INSERT INTO t VALUES (1)")
    assert count(client) == 1
    client.close()
    leader.stop()
    try:
        with sqlatch.connect(**given) as again:
            read = again.query("SELECT count(*) FROM t")
            assert (read.value(), read.meta["age_ms"]) == (1, None)
    finally:
        leader.start()


def test_a_transaction_reads_from_the_copy_and_goes_on_at_the_leader(
    client: Client, given: dict[str, Any], leader: Leader, other: Client
) -> None:
    with closing(dbapi.connect(**given)) as connection:
        before = leader.asked_for_rows()
        cursor = connection.execute("SELECT count(*) FROM t")
        assert cursor.fetchall() == [(0,)]
        assert leader.asked_for_rows() == before
        connection.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        assert connection.execute("SELECT n FROM t").fetchall() == [(1,)]
        other.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(dbapi.OperationalError):  # it has read what is another state now
            connection.execute("INSERT INTO t VALUES (3)")
    assert count(other) == 2


def test_threads_share_a_client(client: Client) -> None:
    def write_and_read(n: int) -> bool:
        client.execute("INSERT INTO t VALUES (?)", [n])
        return bool(client.query("SELECT 1 FROM t WHERE n = ?", [n]).rows)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(write_and_read, range(20)))
    assert count(client) == 20


def test_a_fork_has_a_copy_of_its_own(client: Client) -> None:
    client.execute("INSERT INTO t VALUES (1)")
    assert count(client) == 1
    child = multiprocessing.get_context("fork").Process(target=_write_in_a_fork, args=(client,))
    child.start()
    child.join()
    assert child.exitcode == 0
    assert count(client) == 2, "a process beside it has written, by the same path"
    client.execute("INSERT INTO t VALUES (3)")
    assert count(client) == 3


def test_connections_share_a_copy_and_the_last_that_closes_ends_it(
    given: dict[str, Any], other: Client
) -> None:
    other.execute("CREATE TABLE t (n)")
    threads, files = set(threading.enumerate()), _open_files()
    one, two = sqlatch.connect(**given), sqlatch.connect(**given)
    assert count(one) == count(two) == 0
    (shared,) = replica.of_this_process()._open.values()
    assert len(shared.users) == 2
    one.close()
    assert count(two) == 0
    two.close()
    assert not replica.of_this_process()._open
    assert set(threading.enumerate()) <= threads
    assert _open_files() <= files
    with one:
        assert count(one) == 0, "one that was closed opens again"


def test_asyncio_reads_it_in_threads(given: dict[str, Any], client: Client) -> None:
    async def run() -> Any:
        async with aio.connect(**given) as awaited:
            await awaited.execute("INSERT INTO t VALUES (1)")
            return (await awaited.query("SELECT n FROM t")).rows

    assert asyncio.run(run()) == [(1,)]


def test_a_program_with_a_replica_in_it_is_as_it_was(
    client: Client, given: dict[str, Any], tmp_path: Path
) -> None:
    """Its names and its path of imports are left alone; nothing is limited, logged or handled."""
    for name in ("events", "handler", "storage"):
        (tmp_path / f"{name}.py").write_text("MINE = True\n")
    code = f"""
import logging, signal, sys
import apsw
before = (list(sys.path), apsw.hard_heap_limit(-1), logging.getLogger().handlers[:],
          [signal.getsignal(number) for number in signal.valid_signals()])
import events
import sqlatch
with sqlatch.connect({given["url"]!r}, token={given["token"]!r}, path="copy") as client:
    assert client.query("SELECT count(*) FROM t").value() == 0
assert not {{"aws_lambda_powertools", "boto3", "click", "jwt", "waitress"}} & set(sys.modules)
import handler, storage
assert events.MINE and handler.MINE and storage.MINE
assert before == (sys.path, apsw.hard_heap_limit(-1), logging.getLogger().handlers,
                  [signal.getsignal(number) for number in signal.valid_signals()])
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_is_not_installed_is_named(
    given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replica, "NEEDED", ("apsw", "not_there"))
    with pytest.raises(BadUrl, match=r"not_there not installed: pip install 'sqlatch\[replica\]'"):
        sqlatch.connect(**given)


def _write_in_a_fork(client: Client) -> None:
    assert count(client) == 1
    client.execute("INSERT INTO t VALUES (2)")
    assert count(client) == 2
    client.close()


def _open_files() -> set[str]:
    """The files that this process has open, but for sockets, of which the leader has some too."""
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]  # noqa: PTH118, PTH208
    names = {os.readlink(link) for link in links if os.path.lexists(link)}  # noqa: PTH115
    return {name for name in names if name.startswith("/") and "copy" in name}
