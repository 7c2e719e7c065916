"""Another engine in place of the files: one line chooses it, and every entry point works on it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from handler.reaper import reap
from handler.record import Record
from handler.service import service
from tests.conftest import Ask
from tests.handler.test_messages import failed, insert, record
from tests.hrana.client import Client
from tests.hrana.conftest import PUBLIC, token
from tests.storage.in_memory import InMemory, Shared


@pytest.fixture
def shared(environment: dict[str, str], directory: Path, monkeypatch: pytest.MonkeyPatch) -> Shared:
    """The databases in memory. The service has no other line that names an engine."""
    shared: Shared = {}
    monkeypatch.setenv("SQLATCH_TOKEN_KEYS", PUBLIC)
    monkeypatch.setattr("handler.service.engine_of", lambda _settings: InMemory(shared))
    return shared


@pytest.fixture
def table(shared: Shared, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE CHECK (n < 100))")


def numbers(ask: Ask) -> list[Any]:
    return [n for (n,) in ask(query="SELECT n FROM t ORDER BY n")["rows"]]


def test_direct_requests_write_and_read(
    table: None, shared: Shared, ask: Ask, directory: Path
) -> None:
    written = ask(**insert(1), idempotency_key="once")
    again = ask(**insert(1), idempotency_key="once")

    assert (written["rows_affected"], written["meta"]["wrote"]) == (1, True)
    assert (again["rows_affected"], again["meta"]["replayed"]) == (1, True)
    assert numbers(ask) == [1]
    assert list(shared) == ["main"]
    assert list(directory.glob("*.db*")) == []


def test_a_request_is_all_or_nothing(table: None, ask: Ask, refused: Ask) -> None:
    error = refused(statements=[insert(1), insert(1)])

    assert (error["code"], error["statement"]) == ("CONSTRAINT", 1)
    assert numbers(ask) == []
    assert refused(query="SELECT 1 FROM missing", database="none")["code"] == "DATABASE_NOT_FOUND"
    assert ask(query="VACUUM")["meta"]["wrote"] is True


def test_a_batch_of_a_queue_is_one_transaction(table: None, ask: Ask) -> None:
    answer = ask({"Records": [record(f"m{n}", insert(n)) for n in (1, 2, 100, 3)]})

    assert failed(answer) == ["m100"]
    assert numbers(ask) == [1, 2, 3]


def test_a_libsql_client_has_interactive_transactions(table: None, ask: Ask) -> None:
    one, two = Client(token()).stream(), Client(token()).stream()

    one.execute("BEGIN")
    one.execute("INSERT INTO t VALUES (1)")
    assert numbers(ask) == []
    one.execute("COMMIT")
    two.execute("BEGIN")
    two.execute("INSERT INTO t VALUES (2)")
    two.execute("ROLLBACK")

    assert numbers(ask) == [1]
    assert Client(token()).rows("SELECT n FROM t") == [[1]]


def test_what_a_killed_writer_left_is_recovered_under_the_lease(
    table: None, shared: Shared, ask: Ask
) -> None:
    ask(**insert(1))
    shared["main"] = replace(shared["main"], is_torn=True)

    reply = ask(query="SELECT n FROM t")
    assert reply["rows"] == [[1]]
    assert reply["meta"]["lease_wait_ms"] is not None

    shared["main"] = replace(shared["main"], is_torn=True)
    report = reap(service(), Record("request", "schedule"), ends_at_s=service().clock.now() + 60)
    assert (report["databases"], report["hot_journals_recovered"]) == (1, 1)
    assert report["failures"] == []


def test_health_names_the_databases(table: None, shared: Shared, ask: Ask) -> None:
    health = ask(health=True)

    assert health["status"] == "ok"
    assert health["databases"] == [{"name": "main", "bytes": len(shared["main"].content)}]
    assert health["leases"] == []
