"""An instance that is killed in mid commit: the state before it, and in at most one lease."""

import time
from typing import Any

import pytest

from locking.lease import GRACE_S
from locking.leases import MARGIN_S
from locking.waiting import WAIT_MAX_S
from tests.e2e.conftest import Start
from tests.e2e.emulator import OUT_OF_TIME, TRIES_MAX, Instance, Killed
from tests.journal import JOURNAL_MAGIC

BALANCES = "SELECT DISTINCT balance FROM account"
RAISE = "UPDATE account SET balance = balance + 1"
TIMEOUT_S = {"stall": 5, "exit": 29}
"""Of the killed instance: short where it waits to be killed, though a cold start fits in."""

KILLED_DEADLINE_S = 1.0
BUSY_MACHINE_S = 10.0
"""What a request's own steps may take here, beside the lease that it waits for."""

LEASE_MS = 1000 * (KILLED_DEADLINE_S + MARGIN_S + GRACE_S + WAIT_MAX_S + BUSY_MACHINE_S)
LOOKS_MAX = 100
SAID = {"stall": "Task timed out after 5.00 seconds", "exit": "Runtime.ExitError"}


@pytest.fixture
def accounts(instance: Instance) -> None:
    """2,000 accounts of 100: a commit of many pages."""
    instance.invoke(
        {"query": "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)"}
    )
    instance.invoke(
        {
            "query": "INSERT INTO account (balance, note) VALUES (100, ?)",
            "parameter_sets": [["x" * 400]] * 2000,
        }
    )


@pytest.fixture
def victim(fault: str, start: Start, accounts: None) -> Instance:
    """An instance that can be told to fail at its commit; warm, so that it comes to it in time."""
    victim = start(handler="faults.lambda_handler", timeout_s=TIMEOUT_S[fault])
    written = victim.invoke_until_in_time({"query": "DELETE FROM account WHERE id < 0"})
    assert written["rows_affected"] == 0
    return victim


def kill(victim: Instance, fault: str, statement: str = RAISE) -> None:
    request = {"query": statement, "timeout_ms": int(1000 * KILLED_DEADLINE_S)}
    with pytest.raises(Killed, match=SAID[fault]):
        _invoke_until_killed(victim, {"fault": fault, "event": request})
    journal = victim.environment["SQLATCH_DATABASES"] + "/main.db-journal"
    with open(journal, "rb") as hot:  # noqa: PTH123
        assert hot.read(len(JOURNAL_MAGIC)) == JOURNAL_MAGIC, "the kill left nothing to recover"


def _invoke_until_killed(victim: Instance, event: dict[str, Any]) -> None:
    """A busy machine may come to the deadline before the commit: then nothing was written."""
    for _try in range(TRIES_MAX):
        refused = victim.invoke(event)
        assert refused.get("errorType") in OUT_OF_TIME, refused


@pytest.mark.parametrize("fault", ["stall", "exit"])
@pytest.mark.parametrize("who", ["the killed one", "another", "a new one"])
def test_after_a_kill_the_next_read_shows_the_state_before(
    fault: str, who: str, victim: Instance, instance: Instance, start: Start
) -> None:
    kill(victim, fault)
    reader = {"the killed one": victim, "another": instance}.get(who) or start()

    # The killed instance has a short timeout: it may run out of time before the lease does.
    ask = reader.invoke_until_in_time if reader is victim else reader.invoke
    reply = ask({"query": BALANCES})
    assert reply["rows"] == [[100]]
    assert reply["meta"]["lease_wait_ms"] < LEASE_MS
    assert instance.invoke({"query": "PRAGMA integrity_check"})["rows"] == [["ok"]]
    assert instance.invoke({"health": True})["leases"] == []


@pytest.mark.parametrize("fault", ["stall", "exit"])
def test_after_a_kill_the_next_write_takes_the_lease_over(
    fault: str, victim: Instance, instance: Instance
) -> None:
    kill(victim, fault)

    reply = instance.invoke({"query": "UPDATE account SET balance = balance + 5"})

    assert reply["rows_affected"] == 2000
    assert reply["meta"]["lease_wait_ms"] < LEASE_MS
    assert instance.requests()[-1]["leases_taken_over"] == 1
    assert instance.invoke({"query": BALANCES})["rows"] == [[105]]
    assert victim.invoke_until_in_time({"query": BALANCES})["rows"] == [[105]]


@pytest.mark.parametrize("fault", ["exit"])
def test_after_a_kill_the_reaper_clears_the_lease_and_recovers(
    fault: str, victim: Instance, instance: Instance, start: Start
) -> None:
    reaper = start("ReaperFunction")
    kill(victim, fault)
    for _look in range(LOOKS_MAX):
        (lease,) = instance.invoke({"health": True})["leases"]
        if lease["expired"]:
            break
        time.sleep(0.1)

    report = reaper.invoke({"source": "aws.events"})

    assert report == {
        "leases_reaped": ["main"],
        "databases": 1,
        "databases_reached": 1,
        "hot_journals_recovered": 1,
        "records_purged": 0,
        "streams_cleared": 0,
        "failures": [],
    }
    assert instance.invoke({"health": True})["leases"] == []
    reply = instance.invoke({"query": BALANCES})
    assert (reply["rows"], reply["meta"]["lease_wait_ms"]) == ([[100]], None)
