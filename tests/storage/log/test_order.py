"""The order of the writers that meet at one database."""

import pytest

from storage.log.order import (
    ATTEMPT_MAX_S,
    ATTEMPT_S,
    FEW,
    LATE,
    SPACING,
    WAIT_MAX_S,
    WRITERS_MAX,
    Order,
)

SLOT_S = SPACING * ATTEMPT_S * 1.1
OTHERS = [bytes([number]) for number in range(10)]


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def order(clock: Clock) -> Order:
    return Order(now=clock, chance=lambda: 1.0)


def write(order: Order, clock: Clock, took_s: float, others: list[bytes]) -> None:
    order.began()
    for other in others:
        order.saw(other)
    clock.now_s += took_s
    order.committed()


def test_who_is_alone_waits_for_nobody(order: Order, clock: Clock) -> None:
    order.saw(order.writer)
    write(order, clock, 1.0, [])

    assert order.is_alone
    assert order.wait_s(has_lost=False) == order.wait_s(has_lost=True) == order.longer_s() == 0


def test_a_write_comes_a_round_behind_the_last_one(order: Order, clock: Clock) -> None:
    write(order, clock, 1.0, OTHERS)
    assert not order.is_alone
    assert order.wait_s(has_lost=False) == pytest.approx(10 * SLOT_S)

    clock.now_s += 6 * SLOT_S
    assert order.wait_s(has_lost=False) == pytest.approx(4 * SLOT_S)
    clock.now_s += 6 * SLOT_S
    assert order.wait_s(has_lost=False) == 0


def test_it_waits_no_longer_than_the_last_one_took(order: Order, clock: Clock) -> None:
    write(order, clock, SLOT_S / 2, OTHERS)

    assert order.wait_s(has_lost=False) == pytest.approx(SLOT_S / 2)


def test_who_committed_since_is_not_ahead_any_more(order: Order, clock: Clock) -> None:
    write(order, clock, 1.0, OTHERS)
    for other in OTHERS[:4]:
        order.saw(other)

    assert order.wait_s(has_lost=True) == pytest.approx(6 * SLOT_S)
    assert order.longer_s() == pytest.approx(6 * SLOT_S)
    for other in OTHERS[4 : 11 - FEW]:
        order.saw(other)
    assert order.longer_s() == 0


def test_who_stopped_writing_is_waited_for_in_one_round_only(order: Order, clock: Clock) -> None:
    write(order, clock, 1.0, OTHERS)
    clock.now_s += LATE * 10 * SLOT_S
    assert order.longer_s() == 0

    write(order, clock, 1.0, [])
    assert order.is_alone


def test_no_wait_is_longer_than_its_limit(order: Order, clock: Clock) -> None:
    for number in range(WRITERS_MAX + 10):
        order.saw(number.to_bytes(2))
    order.knows()
    write(order, clock, 1_000.0, [])
    order.attempted()

    assert len(order._round) == WRITERS_MAX
    assert order._attempt_s == ATTEMPT_MAX_S
    assert order.wait_s(has_lost=False) == order.wait_s(has_lost=True) == WAIT_MAX_S


def test_a_clock_that_was_set_back_makes_nobody_wait(order: Order, clock: Clock) -> None:
    write(order, clock, 1.0, OTHERS)
    clock.now_s -= 100

    assert order.wait_s(has_lost=False) == 0
    order.knows()
    clock.now_s -= 100
    order.attempted()
    assert order.longer_s() == 0
