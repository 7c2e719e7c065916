"""A writer killed at any moment of its commit, while another client reads and writes at once.

An NFS client may believe for seconds that a journal is empty, or not there, and so read half of the
transaction, or make it permanent. That it happens in TRUNCATE mode is the negative control.
"""

import os
import random
from dataclasses import asdict, dataclass
from typing import Any

import pytest

from locking.lease import GRACE_S
from locking.leases import MARGIN_S
from tests.faults.report import record
from tests.nfs.bank import (
    ACCOUNTS,
    VISIT,
    balances,
    commit_ms,
    create,
    raised_or_killed,
    watched,
)
from tests.nfs.lab import Lab

pytestmark = pytest.mark.nfs

FULL = bool(os.environ.get("SQLATCH_FAULTS_FULL"))
ROUNDS = 200 if FULL else 12
CONTROL_ROUNDS = 20 if FULL else 30
"""At most: without FULL it ends with the first half transaction."""
SEED = int(os.environ.get("SQLATCH_FAULTS_SEED", "1"))

WAITS_EVERY = 6
"""In one round of so many the lease is left to run out; in the others it is taken away at once."""

HALF_WRITTEN_EVERY = 3
"""In one round of so many the writer is killed when some of its pages are in the file, and in the
others some time after its commit began: on a busy machine that may always be too early."""

TIMEOUT_MS = 6_000
LEASE_MS = TIMEOUT_MS + 1000 * (MARGIN_S + GRACE_S)
SLACK_MS = 20_000
"""What a busy machine may take beside the lease; a read that waited for its deadline has 60 s."""

LATEST = 1.5
"""The last moment to be killed at, in commits: in the campaign they take longer, others read."""


@dataclass(slots=True)
class Counts:
    """The counts of transactions that were killed, and what others saw meanwhile.

    `kept` was not acknowledged and is there: the writer was killed after its last write.
    """

    rounds: int = 0
    acknowledged: int = 0
    refused: int = 0
    undone: int = 0
    hot_journals: int = 0
    kept: int = 0
    torn_for_good: int = 0
    torn_reads: int = 0
    reads: int = 0
    longest_read_ms: float = 0
    commit_ms: float = 0


@pytest.mark.timeout(60 + 30 * ROUNDS)
def test_a_writer_killed_in_its_commit_leaves_no_half_transaction(
    the_lab: Lab, environment: dict[str, str]
) -> None:
    counts = campaign(the_lab, environment, ROUNDS)

    record("nfs_killed_writer", **asdict(counts))
    assert counts.torn_reads == 0
    assert counts.torn_for_good == 0
    assert counts.undone + counts.kept >= ROUNDS / 2
    assert counts.hot_journals > 0
    assert counts.longest_read_ms < LEASE_MS + SLACK_MS


@pytest.mark.timeout(60 + 30 * CONTROL_ROUNDS)
def test_in_truncate_mode_half_a_transaction_is_read(
    the_lab: Lab, environment: dict[str, str]
) -> None:
    """The negative control: with another journal mode the same rounds end badly."""
    counts = campaign(
        the_lab, environment, CONTROL_ROUNDS, until_torn=True, journal_mode="TRUNCATE"
    )

    record("nfs_killed_writer_truncate", **asdict(counts))
    assert counts.torn_reads + counts.torn_for_good > 0


def campaign(
    lab: Lab, environment: dict[str, str], rounds: int, *, until_torn: bool = False, **mode: Any
) -> Counts:
    """Kill a writer on a, again and again, while b reads and then writes."""
    chance = random.Random(SEED)
    counts = Counts(rounds=rounds)
    with lab.b.instance(environment, **mode) as writer:
        create(writer)
        with lab.a.instance(environment, **mode) as measured:
            counts.commit_ms = commit_ms(measured)
        with watched(lab.b, environment, **mode) as watch:
            for number in range(rounds):
                _count, before, _largest = balances(writer)
                fault: dict[str, Any] = {
                    "kill_in_commit_ms": chance.uniform(0, LATEST * counts.commit_ms)
                }
                if number % HALF_WRITTEN_EVERY == 0:
                    fault = {"half_written": "kill"}
                with lab.a.instance(environment, **mode, **fault) as killed:
                    answer = raised_or_killed(killed, timeout_ms=TIMEOUT_MS)
                counts.hot_journals += lab.has_hot_journal(environment)
                if number % WAITS_EVERY:
                    writer.order("free leases")
                visit = writer.ask(query=VISIT)
                if until_torn and visit.get("error", {}).get("code") == "DATABASE_CORRUPT":
                    counts.torn_for_good += 1  # so torn that SQLite sees it
                    counts.rounds = number + 1
                    break
                assert "reply" in visit, visit
                assert visit["reply"]["rows"] == [[number + 1]]
                _count_outcome(counts, before, balances(writer), answer)
                assert writer.ask(query="PRAGMA integrity_check")["reply"]["rows"] == [["ok"]]
                if until_torn and not FULL and (counts.torn_for_good or watch.torn):
                    counts.rounds = number + 1
                    break
    assert watch.errors == []
    counts.reads, counts.torn_reads = watch.reads, len(watch.torn)
    counts.longest_read_ms = round(watch.longest_ms)
    return counts


def _count_outcome(
    counts: Counts, before: int, after: tuple[int, int, int], answer: dict[str, Any] | None
) -> None:
    """Sort a round by its end: what was acknowledged is there, what was refused is not."""
    accounts, smallest, largest = after
    assert accounts == ACCOUNTS
    if smallest != largest:
        counts.torn_for_good += 1
    elif answer is not None:
        assert smallest == before + ("reply" in answer), answer
        counts.acknowledged += "reply" in answer
        counts.refused += "error" in answer
    else:
        assert smallest in (before, before + 1)
        counts.undone += smallest == before
        counts.kept += smallest > before
