"""The lease under every schedule that a seed gives; and that each planted bug would be seen.

SQLATCH_FAULTS_SEED=17 runs that schedule alone. SQLATCH_FAULTS_FULL=1 runs 10,000 of them.
"""

import os
import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from locking import dynamodb
from locking.dynamodb import DynamoDBTable
from locking.lease import Claim
from sqlatch.kernel.aws.errors import ConditionFailed
from tests.faults import plants
from tests.faults.lease_simulation import Contender, simulate
from tests.faults.report import record, record_planted
from tests.faults.simulated_dynamodb import SimulatedDynamoDB
from tests.faults.simulated_world import START_S, Violation

FULL = "SQLATCH_FAULTS_FULL" in os.environ
SCHEDULES = 10_000 if FULL else 500
PLANTED_SEEN_WITHIN = 500


@pytest.mark.timeout(900)
def test_no_schedule_breaks_the_lease() -> None:
    seeds = [int(os.environ["SQLATCH_FAULTS_SEED"])] if "SQLATCH_FAULTS_SEED" in os.environ else []
    counts: Counter[str] = Counter()
    for seed in seeds or range(SCHEDULES):
        try:
            counts += simulate(seed).counts
        except Violation as violation:
            pytest.fail(f"SQLATCH_FAULTS_SEED={seed} shows it again: {violation}")

    if not seeds:
        assert min(counts[what] for what in ("crashed", "stalled", "taken_over", "late")) > 100
        record("lease_simulation", schedules=SCHEDULES, **dict(sorted(counts.items())))


def test_a_seed_is_one_schedule() -> None:
    for seed in range(20):
        first, second = simulate(seed), simulate(seed)

        assert first.trace == second.trace
        assert first.counts == second.counts


def _commit_after_release(monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[Callable[[], None]] = []
    commit, request = Contender.commit, Contender.request

    def later(self: Contender, lock_id: str, value: int) -> None:
        commits.append(lambda: commit(self, lock_id, value))

    def then(self: Contender, name: str, timeout_s: float) -> None:
        commits.clear()
        request(self, name, timeout_s)
        while commits:
            commits.pop()()

    monkeypatch.setattr(Contender, "commit", later)
    monkeypatch.setattr(Contender, "request", then)


def _delete_at_release(monkeypatch: pytest.MonkeyPatch) -> None:
    def give_back(self: Any, database: str, lock_id: str) -> None:
        with self._errors():
            try:
                self._client.delete_item(
                    Key={"pk": {"S": dynamodb.PREFIX + database}},
                    ConditionExpression=dynamodb.MINE,
                    ExpressionAttributeValues={":lock_id": {"S": lock_id}},
                )
            except ConditionFailed:
                return

    monkeypatch.setattr(DynamoDBTable, "give_back", give_back)


PLANTED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str]] = {
    "release without the lock_id": (
        lambda patch: patch.setattr(dynamodb, "MINE", "attribute_exists(pk)"),
        "freed somebody else's lease|two holders|does not hold",
    ),
    "release before commit": (_commit_after_release, "does not hold the lease"),
    "no check before commit": (
        plants.grants_not_checked,
        "does not hold the lease|two holders",
    ),
    "no margin": (
        lambda patch: patch.setattr("locking.leases.MARGIN_S", 0.0),
        "two holders within the margin",
    ),
    "the deadline not checked before commit": (
        plants.grants_checked_without_the_deadline,
        "two holders within the margin",
    ),
    "no grace": (
        lambda patch: patch.setattr(dynamodb, "GRACE_S", 0.0),
        "two holders within the margin",
    ),
    "the item deleted": (_delete_at_release, "the fence went back"),
    "taken without a condition": (
        lambda patch: patch.setattr(
            dynamodb, "FREE", "attribute_not_exists(lock_id) OR attribute_exists(lock_id)"
        ),
        "two holders|does not hold",
    ),
    "a new lock_id at each try": (
        lambda patch: patch.setattr("locking.leases.replace", _with_new_lock_id),
        "in its own way|freed somebody else's|nobody gives it back",
    ),
    "its own lost grant not known again": (
        lambda patch: patch.setattr(dynamodb, "_granted_before", lambda _claim, held: held),
        "in its own way",
    ),
    "who takes over is not told": (
        lambda patch: patch.setattr(
            dynamodb, "Taken", lambda held, taken_over: _taken(held, taken_over=False)
        ),
        "is not told",
    ),
    "an unknown grant forgotten": (plants.unknown_grant_forgotten, "nobody gives it back"),
    "a lease without end": (
        lambda patch: patch.setattr(dynamodb, "FREE", "attribute_not_exists(lock_id)"),
        "by every clock the lease has run out",
    ),
}


def _with_new_lock_id(claim: Claim, **changed: Any) -> Claim:
    lock_id = f"{claim.lock_id.split('/')[0]}/{changed['now_s']}"
    return replace(claim, lock_id=lock_id, **changed)


def _taken(held: Any, *, taken_over: bool) -> Any:
    from locking.lease import Taken

    return Taken(held, taken_over)


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_seen(bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, seen = PLANTED[bug]
    plant(monkeypatch)

    with pytest.raises(Violation, match=seen):
        deque(map(simulate, range(PLANTED_SEEN_WITHIN)), maxlen=0)
    record_planted(bug, "the lease, simulated")


@pytest.fixture(scope="module")
def dynamodb_url(moto_url: str) -> str:
    return moto_url


def test_the_simulated_table_answers_as_dynamodb_does(
    dynamodb_url: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.conftest import dynamodb_environment

    for name, value in dynamodb_environment(request).items():
        monkeypatch.setenv(name, value)
    table = os.environ["SQLATCH_LEASES"].removeprefix("dynamodb:")
    tables = [DynamoDBTable(table), DynamoDBTable(table, SimulatedDynamoDB())]  # type: ignore[arg-type]
    chance = random.Random(1)
    now_s = START_S
    for step in range(300):
        now_s += chance.choice((0.1, 1.0, 5.0))
        lock_id = f"lock-{chance.randrange(step + 1)}"
        claim = Claim(chance.choice("ab"), lock_id, "me", now_s, now_s + chance.choice((1, 8)))
        if chance.random() < 0.7:
            answers: list[Any] = [each.take(claim) for each in tables]
        else:
            answers = [each.give_back(claim.database, lock_id) for each in tables]
        assert answers[0] == answers[1]
    tables[0].close()
