"""Health: what the service says of its directory, its lease table and its memory."""

from pathlib import Path

import pytest

from handler.service import Service, service
from handler.settings import LEASES_FILE
from locking.lease import GRACE_S, Claim
from locking.sqlite import SQLiteTable
from tests.conftest import Ask
from tests.faults.machine import Time


@pytest.mark.lease_tables
def test_health_tells_of_databases_and_leases(ask: Ask, the_service: Service) -> None:
    ask(query="CREATE TABLE t (n)", database="orders")
    deadline_s = the_service.clock.now() + 60
    with the_service.leases.hold("orders", holder="somebody", deadline_s=deadline_s):
        reply = ask(health=True)

    (lease,) = reply.pop("leases")
    assert (lease["database"], lease["holder"]) == ("orders", "somebody")
    assert lease["expired"] is False
    (database,) = reply.pop("databases")
    assert database["name"] == "orders"
    assert database["bytes"] > 0
    assert reply["status"] == "ok"
    assert reply["directory"] == reply["lease_table"] == {"ok": True}
    assert ask(health=True)["leases"] == []


def test_a_directory_that_is_gone_is_degraded_and_says_why(ask: Ask, directory: Path) -> None:
    directory.rmdir()

    reply = ask(health=True)

    assert reply["status"] == "degraded"
    assert reply["directory"]["ok"] is False
    assert "No such file" in reply["directory"]["error"]
    assert reply["databases"] == []


def test_a_lease_table_that_does_not_answer_is_degraded_and_the_directory_is_not(
    ask: Ask, directory: Path
) -> None:
    ask(query="CREATE TABLE t (n)")
    service().leases.close()
    (directory / LEASES_FILE).write_bytes(b"no database" * 1000)

    reply = ask(health=True)

    assert (reply["status"], reply["leases"]) == ("degraded", [])
    assert (reply["directory"], reply["lease_table"]["ok"]) == ({"ok": True}, False)


def test_a_lease_that_nobody_gave_back_is_told_as_expired(
    stopped_time: Time, ask: Ask, directory: Path
) -> None:
    ask(query="CREATE TABLE t (n)")
    table = SQLiteTable(directory / LEASES_FILE)
    now_s = stopped_time.now_s
    table.take(Claim("main", "id", "somebody", now_s - 60, now_s - GRACE_S))
    assert [lease["expired"] for lease in ask(health=True)["leases"]] == [False]

    stopped_time.pass_by(0.001)

    assert [lease["expired"] for lease in ask(health=True)["leases"]] == [True]
    table.close()
