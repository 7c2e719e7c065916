"""The wait of a contender before its next try, by what it has seen of the others."""

from itertools import pairwise

import pytest

from locking.lease import HeldLease
from locking.waiting import EACH_S, FEW, THROTTLED_FIRST_S, THROTTLED_MAX_S, WAIT_MAX_S, Queue

FENCE = 1_800_000_000_000
LEFT_S = 100.0
BY_ITSELF = [0.005, 0.01, 0.02, 0.04, WAIT_MAX_S, WAIT_MAX_S]


def held(*, passed: int = 0, ahead: int = 0) -> HeldLease:
    return HeldLease("main", "id", "other", 0.0, 10.0, FENCE + passed, ahead)


def queue() -> Queue:
    return Queue(lambda: 1.0)


def seeing(queue: Queue, *leases: HeldLease) -> list[float]:
    waits = []
    for lease in leases:
        queue.see(lease)
        waits.append(queue.wait_s(LEFT_S))
    return waits


def test_one_who_sees_few_others_waits_as_if_it_saw_none() -> None:
    assert seeing(queue(), *[held()] * 6) == pytest.approx(BY_ITSELF)
    assert seeing(queue(), *[held(ahead=FEW)] * 6) == pytest.approx(BY_ITSELF)


def test_one_who_sees_many_waits_for_those_that_are_ahead() -> None:
    waits = seeing(queue(), *(held(passed=n, ahead=100) for n in (0, 40, 60, 80)))

    assert waits == pytest.approx([EACH_S * (100 - n - FEW) for n in (0, 40, 60, 80)])


def test_whoever_has_waited_long_tries_more_often_than_whoever_has_just_come() -> None:
    waits = seeing(queue(), *(held(passed=n, ahead=100) for n in range(0, 200, 10)))

    assert all(sooner >= later for sooner, later in pairwise(waits))
    assert waits[-1] == WAIT_MAX_S


def test_what_holders_say_of_the_queue_is_averaged() -> None:
    waits = seeing(queue(), held(ahead=100), held(passed=1, ahead=0), held(passed=1, ahead=0))

    assert waits == pytest.approx([EACH_S * (length - FEW) for length in (100, 49, 49)])


def test_nobody_sleeps_through_more_than_half_of_what_is_left_for_the_sake_of_others() -> None:
    contender = queue()
    contender.see(held(ahead=100_000))

    assert contender.wait_s(4.0) == 2.0
    assert contender.wait_s(2.0) == 1.0


def test_throttling_doubles_the_wait_and_answers_take_that_back() -> None:
    contender = queue()
    waits = []
    for _answer in range(6):
        contender.see_throttling()
        waits.append(contender.wait_s(LEFT_S))
    assert waits == [THROTTLED_FIRST_S * factor for factor in (1, 2, 4, 8, 16, 16)]
    assert waits[-1] == THROTTLED_MAX_S

    calm = seeing(contender, *[held()] * 20)
    assert all(sooner >= later for sooner, later in pairwise(calm))
    assert calm[-1] == WAIT_MAX_S


def test_how_many_went_ahead_is_what_the_fence_grew_by() -> None:
    contender = queue()
    assert contender.passed == 0
    seeing(contender, held(passed=3), held(passed=3), held(passed=10))
    assert contender.passed == 7
