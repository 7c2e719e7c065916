"""Every entry point on databases that are logs of their transactions."""

import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from handler.log import Record
from handler.reaper import reap
from handler.service import service
from locking.lease import GRACE_S, Claim
from tests.conftest import Ask, forget
from tests.handler.test_messages import failed, insert, record
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC, token


@pytest.fixture(autouse=True)
def logs(environment: dict[str, str], directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the logs; there is none of files."""
    monkeypatch.delenv("SQLATCH_DATABASES", raising=False)
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{directory}")
    copies = directory.with_name("copies")
    copies.mkdir(exist_ok=True)
    monkeypatch.setenv("SQLATCH_COPIES", str(copies))
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    return directory


@pytest.fixture
def table(ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE CHECK (n < 100))")


def numbers(ask: Ask) -> list[Any]:
    return [n for (n,) in ask(query="SELECT n FROM t ORDER BY n")["rows"]]


def segments(logs: Path, name: str = "main") -> int:
    return len(list((logs / name / "log").glob("*.seg")))


def die_with_the_lease(name: str) -> None:
    past_s = time.time() - 60
    service().leases._table.take(Claim(name, str(uuid4()), "killed", past_s, past_s + GRACE_S))


def test_each_write_has_a_position_and_a_read_that_of_what_it_saw(table: None, ask: Ask) -> None:
    first = ask(**insert(1))["meta"]["position"]
    second = ask(**insert(2), idempotency_key="once")["meta"]["position"]
    again = ask(**insert(2), idempotency_key="once")["meta"]

    assert (first, second) == (f"{2:016x}", f"{3:016x}")
    assert again["replayed"] is True
    assert ask(query="SELECT 1 FROM t")["meta"]["position"] == second
    assert numbers(ask) == [1, 2]


def test_a_request_that_is_refused_leaves_no_record(table: None, ask: Ask, refused: Ask) -> None:
    before = ask(query="SELECT 1 FROM t")["meta"]["position"]

    assert refused(statements=[insert(1), insert(1)])["code"] == "CONSTRAINT"
    assert refused(query="SELECT 1 FROM t", database="none")["code"] == "DATABASE_NOT_FOUND"
    assert refused(query="INSERT INTO nothing VALUES (1)", database="new")["code"] == (
        "STATEMENT_ERROR"
    )

    assert ask(query="SELECT 1 FROM t")["meta"]["position"] == before
    assert [each["name"] for each in ask(health=True)["databases"]] == ["main"]


def test_a_batch_of_a_queue_is_one_record(table: None, ask: Ask) -> None:
    before = int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16)

    answer = ask({"Records": [record(f"m{n}", insert(n)) for n in (1, 2, 100, 3)]})

    assert failed(answer) == ["m100"]
    assert numbers(ask) == [1, 2, 3]
    assert int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16) == before + 1


def test_a_transaction_of_a_libsql_client_is_one_record(table: None, ask: Ask) -> None:
    stream = Client(token()).stream()
    before = int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16)

    stream.execute("BEGIN")
    stream.execute("INSERT INTO t VALUES (1)")
    assert numbers(ask) == []
    stream.execute("INSERT INTO t VALUES (2)")
    stream.execute("COMMIT")

    assert numbers(ask) == [1, 2]
    assert int(ask(query="SELECT 1 FROM t")["meta"]["position"], 16) == before + 1


def test_a_vacuum_is_a_commit(table: None, ask: Ask) -> None:
    ask(**insert(1))
    assert ask(query="VACUUM")["meta"]["wrote"] is True
    assert numbers(ask) == [1]


def test_another_instance_reads_what_was_written_and_writes_behind_it(
    table: None, ask: Ask
) -> None:
    ask(**insert(1))
    forget(service)
    ask(**insert(2))

    assert numbers(ask) == [1, 2]


def test_who_takes_a_lease_over_seals_the_log_before_anything_else(
    table: None, logs: Path, ask: Ask, refused: Ask
) -> None:
    """A request that is refused gives the lease back, and then nobody would know."""
    die_with_the_lease("main")

    assert refused(query="INSERT INTO t VALUES (100)")["code"] == "CONSTRAINT"

    assert segments(logs) == 2
    ask(**insert(1))
    assert segments(logs) == 2


def test_the_reaper_seals_and_then_gives_the_lease_back(table: None, logs: Path, ask: Ask) -> None:
    die_with_the_lease("main")
    die_with_the_lease("never-was")

    report = reap(service(), Record("request", "schedule"), ends_at_s=time.time() + 60)

    assert sorted(report["leases_reaped"]) == ["main", "never-was"]
    assert report["failures"] == []
    assert segments(logs) == 2
    assert ask(health=True)["leases"] == []


def test_a_writer_that_was_cleared_while_it_slept_writes_nothing(
    table: None, logs: Path, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease's time is not looked at: the seal alone must hold."""
    the_service = service()
    monkeypatch.setattr("locking.lease.Lease.check", lambda _self: None)
    take = the_service.leases._table.take

    def sleep_past_it(claim: Claim) -> Any:
        taken = take(claim)
        past_s = time.time() - 60
        the_service.leases._table.give_back("main", claim.lock_id)
        other = Claim("main", str(uuid4()), "other", past_s, past_s + GRACE_S)
        take(other)
        return taken

    with monkeypatch.context() as patch:
        patch.setattr(the_service.leases._table, "take", sleep_past_it)
        with the_service.writing("main", Record("zombie", "direct"), time.time() + 60) as late:
            patch.undo()
            monkeypatch.setattr("locking.lease.Lease.check", lambda _self: None)
            ask(**insert(1))
            database = the_service.databases.get("main")
            with pytest.raises(Exception, match="another writer has gone on"):
                database.purge_records(time.time(), late)

    assert numbers(ask) == [1]


def test_a_function_that_only_reads_reads(
    table: None, ask: Ask, refused: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(**insert(1))
    monkeypatch.setenv("SQLATCH_READ_ONLY", "true")
    forget(service)

    assert numbers(ask) == [1]
    assert refused(**insert(2))["code"] == "READ_ONLY"
