"""The negative controls: what each promise stands on is taken out, and the promise is broken."""

import os
from typing import Any

import pytest

from hrana.connection import Connection
from hrana.control import Verb
from hrana.transaction import Replay
from sqlexec.transaction import Transaction
from storage.pins import Pins
from tests.hrana.client import Client, execute

Plant = pytest.MonkeyPatch


@pytest.fixture(autouse=True)
def counter(client: Client) -> None:
    client.stream().ask(
        execute("CREATE TABLE counter (n)"), execute("INSERT INTO counter VALUES (0)")
    )


def count(client: Client) -> Any:
    return client.rows("SELECT n FROM counter")[0][0]


def begun(client: Client, *statements: str) -> Any:
    stream = client.stream()
    for sql in ("BEGIN", *statements):
        stream.execute(sql)
    return stream


def test_without_digests_an_update_is_lost(client: Client, monkeypatch: Plant) -> None:
    monkeypatch.setattr(Replay, "_again", _ran)
    streams = [begun(client, "SELECT n FROM counter") for _number in range(2)]
    for stream in streams:
        stream.execute("UPDATE counter SET n = 1")
        stream.execute("COMMIT")

    assert count(client) == 1, "two increments, and one is there"


AGAIN = Replay._again


def _ran(replay: Any, live: Any, index: int, entry: Any) -> str:
    AGAIN(replay, live, index, entry)
    return str(entry.digest)


def test_without_its_record_a_commit_is_applied_twice(client: Client, monkeypatch: Plant) -> None:
    monkeypatch.setattr(Transaction, "records", lambda _transaction, **_keys: [])
    monkeypatch.setattr("sqlexec.idempotency.keep", lambda *_arguments: None)
    stream = begun(client, "UPDATE counter SET n = n + 1")
    for _time in range(2):
        client.pipeline(execute("COMMIT"), baton=stream.baton)

    assert count(client) == 2


def test_without_pins_chance_looks_like_a_conflict(client: Client, monkeypatch: Plant) -> None:
    monkeypatch.setattr(Pins, "_draw", lambda _pins, count: os.urandom(count))
    stream = begun(client, "UPDATE counter SET n = random() RETURNING n")

    assert stream.refused("COMMIT")["code"] == "SQLITE_BUSY"


def test_without_the_memory_of_a_conflict_the_next_statement_is_committed_alone(
    client: Client, monkeypatch: Plant
) -> None:
    def in_transaction(connection: Connection, replay: Replay, sql: str, stmt: Any) -> Any:
        try:
            return replay.execute(sql, stmt)
        finally:
            if replay.log.broken:
                connection._transaction_is_over()

    monkeypatch.setattr(Connection, "_in_transaction", in_transaction)
    stream = begun(client, "SELECT n FROM counter")
    client.stream().execute("UPDATE counter SET n = 5")
    stream.ask(execute("UPDATE counter SET n = 6"), execute("UPDATE counter SET n = 7"))

    assert count(client) == 7, "outside a transaction, though none was ended"


def test_without_control_a_commit_would_reach_sqlite_and_be_refused(
    client: Client, monkeypatch: Plant
) -> None:
    for module in ("stream", "connection", "transaction"):
        monkeypatch.setattr(f"hrana.{module}.control_of", lambda _sql: None)

    for verb in (Verb.BEGIN, Verb.COMMIT, Verb.ROLLBACK):
        assert client.stream().refused(verb.value)["code"] == "BLOCKED"
