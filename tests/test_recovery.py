"""A writer that is killed: readers see the state before it, writers go on within its lease."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handler.reaper import reap
from handler.record import Record
from handler.service import Service, service
from locking.clock import Clock
from tests.conftest import Ask, forget
from tests.journal import JOURNAL_MAGIC, leave_in_mid_commit
from tests.writers import ROOT

KILLED_WRITER = """
import os, signal, time
import handler.service
from handler import local
from locking.clock import Clock
from storage.inplace.store import Store

handler.service.Clock = lambda: Clock(now=lambda: time.time() - 11)
Store._commit = lambda self, session: os.kill(os.getpid(), signal.SIGKILL)
local.invoke({"query": "UPDATE account SET balance = balance + 1", "timeout_ms": 10_000})
"""
"""Its clock is late, so that it has ten seconds on any machine, and its lease one from now."""


RECOVERY = """
import apsw, sys
connection = apsw.Connection(sys.argv[1])
connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
connection.execute("PRAGMA journal_mode = PERSIST").fetchall()
connection.execute("SELECT 1 FROM sqlite_schema").fetchall()
"""


def killed_before_its_commit(environment: Mapping[str, str]) -> None:
    """Have a process write, and kill it when all that is left to do is the COMMIT."""
    killed = subprocess.run(
        [sys.executable, "-c", KILLED_WRITER],
        cwd=ROOT,
        env={**os.environ, **environment},
        stderr=subprocess.DEVNULL,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL


def leave_hot_journal(path: Path) -> None:
    """Leave the file as a writer does that is killed while its pages go to the file."""
    leave_in_mid_commit(path, "UPDATE account SET balance = balance + 1")


@pytest.fixture
def accounts(ask: Ask) -> None:
    """2,000 accounts of 100: more pages than a spilling cache holds."""
    ask(query="CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)")
    ask(
        query="INSERT INTO account (balance, note) VALUES (100, ?)",
        parameter_sets=[["x" * 400]] * 2000,
    )
    service().databases.close()


BALANCES = "SELECT DISTINCT balance FROM account"


@pytest.mark.lease_tables
def test_a_writer_killed_in_mid_transaction_is_undone_and_overcome(
    accounts: None, ask: Ask, environment: dict[str, str]
) -> None:
    killed_before_its_commit(environment)

    assert ask(query=BALANCES)["rows"] == [[100]]
    (lease,) = ask(health=True)["leases"]
    assert lease["database"] == "main"
    raised = ask(query="UPDATE account SET balance = balance + 5")
    assert raised["rows_affected"] == 2000
    assert ask(query=BALANCES)["rows"] == [[105]]
    assert ask(health=True)["leases"] == []


@pytest.mark.lease_tables
def test_a_reader_recovers_a_hot_journal_under_the_lease(
    accounts: None, ask: Ask, directory: Path
) -> None:
    journal = directory / "main.db-journal"
    leave_hot_journal(directory / "main.db")

    with journal.open("rb") as opened:
        reply = ask(query=BALANCES)
        links = os.fstat(opened.fileno()).st_nlink

    assert reply["rows"] == [[100]]
    assert reply["meta"]["wrote"] is False
    assert reply["meta"]["lease_wait_ms"] is not None
    assert not journal.read_bytes().startswith(JOURNAL_MAGIC)
    assert links == 1, "the journal was deleted: a client that sees that remembers it for 30 s"
    assert ask(query="PRAGMA integrity_check")["rows"] == [["ok"]]
    assert ask(health=True)["leases"] == []


def test_a_copy_without_its_journal_would_have_been_torn(
    accounts: None, directory: Path, tmp_path: Path
) -> None:
    """The negative control of the tests beside it: there was something to recover."""
    leave_hot_journal(directory / "main.db")
    shutil.copy(directory / "main.db", tmp_path / "torn.db")

    with sqlite3.connect(tmp_path / "torn.db") as torn:
        balances = torn.execute(BALANCES).fetchall()
    torn.close()
    assert len(balances) == 2


def test_a_warm_reader_recovers_too(accounts: None, ask: Ask, directory: Path) -> None:
    ask(query=BALANCES)
    leave_hot_journal(directory / "main.db")

    assert ask(query=BALANCES)["rows"] == [[100]]


def test_a_reader_waits_for_the_recovery_and_not_for_the_lease_of_whoever_did_it(
    accounts: None, ask: Ask, directory: Path, the_service: Service
) -> None:
    leave_hot_journal(directory / "main.db")
    deadline_s = time.time() + 100
    with (
        ThreadPoolExecutor() as others,
        the_service.leases.hold("main", holder="a long write", deadline_s=deadline_s),
    ):
        reply = others.submit(ask, query=BALANCES, timeout_ms=60_000)
        with pytest.raises(TimeoutError):
            reply.result(timeout=0.5)
        # In a process of its own: two SQLite libraries in one drop each other's file locks.
        subprocess.run([sys.executable, "-c", RECOVERY, str(directory / "main.db")], check=True)

        assert reply.result()["rows"] == [[100]]


def test_a_writer_recovers_a_hot_journal(accounts: None, ask: Ask, directory: Path) -> None:
    leave_hot_journal(directory / "main.db")

    ask(query="UPDATE account SET balance = balance + 5")
    assert ask(query=BALANCES)["rows"] == [[105]]


def test_a_reader_that_may_not_write_leaves_recovery_to_others(
    accounts: None, ask: Ask, refused: Ask, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_hot_journal(directory / "main.db")
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)
    error = refused(query=BALANCES)
    monkeypatch.delenv("SQLATCH_READ_ONLY")
    forget(service)

    assert (error["code"], error["retryable"]) == ("DATABASE_BUSY", True)
    assert ask({"source": "aws.events"})["hot_journals_recovered"] == 1
    assert ask(query=BALANCES)["rows"] == [[100]]


@pytest.mark.parametrize("mode", ["DELETE", "TRUNCATE", "WAL"])
def test_a_database_that_was_copied_in_gets_its_journal_before_it_is_read(
    mode: str, ask: Ask, directory: Path, tmp_path: Path
) -> None:
    with sqlite3.connect(tmp_path / "made.db") as made:
        made.execute(f"PRAGMA journal_mode = {mode}")
        made.execute("CREATE TABLE t AS SELECT 7 AS n")
        made.execute("PRAGMA user_version = 42")
    made.close()
    shutil.copy(tmp_path / "made.db", directory / "main.db")

    assert ask(query="SELECT n FROM t")["rows"] == [[7]]
    assert (directory / "main.db-journal").exists()
    assert ask(query="PRAGMA user_version")["rows"] == [[42]]
    assert ask(query="INSERT INTO t VALUES (8)")["rows_affected"] == 1
    with sqlite3.connect(directory / "main.db") as seen:
        assert seen.execute("PRAGMA journal_mode").fetchone() != ("wal",)
    seen.close()


def test_a_journal_that_was_removed_is_made_anew_before_the_next_read(
    ask: Ask, directory: Path
) -> None:
    """Plain SQLite removes it after a write, and readers on NFS would remember that it is gone."""
    ask(query="CREATE TABLE t AS SELECT 7 AS n")
    ask(query="SELECT n FROM t")
    (directory / "main.db-journal").unlink()

    assert ask(query="SELECT n FROM t")["rows"] == [[7]]
    assert (directory / "main.db-journal").exists()


def test_a_file_that_was_replaced_is_seen_and_not_written_into_the_void(
    ask: Ask, directory: Path, tmp_path: Path
) -> None:
    ask(query="CREATE TABLE t AS SELECT 'old' AS n")
    ask(query="SELECT n FROM t")
    with sqlite3.connect(tmp_path / "new.db") as made:
        made.execute("CREATE TABLE t AS SELECT 'new' AS n")
    made.close()
    (tmp_path / "new.db").rename(directory / "main.db")

    ask(query="INSERT INTO t VALUES ('written')")

    assert ask(query="SELECT n FROM t")["rows"] == [["new"], ["written"]]


@pytest.mark.lease_tables
def test_the_reaper_clears_an_expired_lease_recovers_and_reports(
    accounts: None, ask: Ask, directory: Path, environment: dict[str, str], the_service: Service
) -> None:
    killed_before_its_commit(environment)
    leave_hot_journal(directory / "main.db")
    later = Service(the_service.settings, clock=Clock(now=lambda: time.time() + 60))
    record = Record("request", "schedule")
    report = reap(later, record, ends_at_s=later.clock.now() + 10)
    later.close()

    assert report == {
        "leases_reaped": ["main"],
        "hot_journals_recovered": 1,
        "records_purged": 0,
        "streams_cleared": 0,
        "databases": 1,
        "databases_reached": 1,
        "failures": [],
    }
    assert (record.leases_reaped, record.hot_journals_recovered) == (1, 1)
    assert ask(health=True)["leases"] == []
    assert ask(query=BALANCES)["rows"] == [[100]]


def test_a_journal_of_which_a_crash_left_but_the_beginning_locks_nobody_out(
    accounts: None, ask: Ask, directory: Path
) -> None:
    journal = directory / "main.db-journal"
    journal.write_bytes(JOURNAL_MAGIC[:4])

    assert ask(query=BALANCES)["rows"] == [[100]]
    assert journal.read_bytes()[:1] == b"\0"
    assert ask(query=BALANCES)["meta"]["lease_wait_ms"] is None
