"""However many writers meet on one database: the lease changes hands, and nobody is left out.

A table that takes 1,000 writes a second for an item, as DynamoDB does, counts refused tries too.
"""

from statistics import mean

import pytest

from tests.faults import plants
from tests.faults.contention import Contention
from tests.faults.report import FULL, record, record_planted

WRITES_A_SECOND_MIN = 25
CALLS_A_SECOND_MAX = 1_000
WINDOW_S = 5.0
THOUSAND_S = 90 if FULL else 75


def assert_everybody_writes(contention: Contention) -> None:
    assert contention.wrote == set(range(contention.writers))
    assert contention.refused == 0
    assert contention.not_released == 0


@pytest.mark.parametrize(
    ("writers", "timeout_s", "length_s"),
    [
        (10, 10, 30),
        (100, 12, 20),
        pytest.param(
            1_000, THOUSAND_S, THOUSAND_S, marks=[pytest.mark.slow, pytest.mark.timeout(600)]
        ),
    ],
)
def test_many_writers_keep_writing_and_nobody_is_left_out(
    writers: int, timeout_s: float, length_s: float
) -> None:
    contention = Contention(17, writers, timeout_s, length_s).run()

    assert_everybody_writes(contention)
    assert contention.writes_a_second > WRITES_A_SECOND_MIN
    assert contention.calls_a_second < CALLS_A_SECOND_MAX
    if writers < CALLS_A_SECOND_MAX:  # a thousand that come at once are slowed down at first
        assert contention.fewest_writes_a_second(WINDOW_S) > WRITES_A_SECOND_MIN
    record(
        f"contention_{writers}",
        writers=writers,
        writes_a_second=round(contention.writes_a_second, 1),
        calls_a_second=round(contention.calls_a_second),
        longest_wait_s=round(max(contention.waits_s), 1),
    )


def test_eight_writers_wait_no_longer_than_if_each_saw_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeing = Contention(17, 8, 10, 60, think_s=0.1).run()
    plants.contenders_that_see_nobody(monkeypatch)
    blind = Contention(17, 8, 10, 60, think_s=0.1).run()

    assert mean(seeing.waits_s) < 1.05 * mean(blind.waits_s)


def test_a_lease_that_is_left_standing_stops_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: tried three times, the give-back is throttled like everything else."""
    plants.contenders_that_see_nobody(monkeypatch)
    plants.lease_abandoned_after_three_tries(monkeypatch)
    contention = Contention(17, 100, 5, 10).run()

    assert contention.not_released > 0
    assert contention.fewest_writes_a_second(WINDOW_S) < WRITES_A_SECOND_MIN
    record_planted("a lease that is abandoned after three tries", "the lease under contention")


def test_many_that_see_nobody_keep_each_other_from_writing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control of the waits."""
    plants.contenders_that_see_nobody(monkeypatch)
    contention = Contention(17, 200, 5, 2).run()

    assert contention.writes_a_second < WRITES_A_SECOND_MIN
    record_planted("contenders that see nobody", "the lease under contention")
