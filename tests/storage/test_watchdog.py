"""The thread that interrupts what is late, and nothing else."""

import threading

import pytest

from storage.watchdog import Watchdog, watchdog

FAR_S = 600.0
PATIENCE_S = 60.0


class Interrupted:
    """A connection that notes when it is interrupted."""

    def __init__(self) -> None:
        self.times = 0
        self.seen = threading.Event()

    def interrupt(self) -> None:
        self.times += 1
        self.seen.set()


@pytest.fixture
def dog() -> Watchdog:
    return Watchdog()


def test_a_statement_is_interrupted_at_its_end_and_again_until_it_is_forgotten(
    dog: Watchdog,
) -> None:
    late = Interrupted()

    dog.watch("late", late, 0.01)

    assert late.seen.wait(PATIENCE_S)
    late.seen.clear()
    assert late.seen.wait(PATIENCE_S), "SQLite forgets an interrupt between two statements"
    dog.forget("late")


def test_a_statement_that_is_forgotten_in_time_is_not_interrupted(dog: Watchdog) -> None:
    over, late = Interrupted(), Interrupted()
    dog.watch("over", over, 0.01)
    dog.forget("over")

    dog.watch("late", late, 0.02)
    assert late.seen.wait(PATIENCE_S)
    dog.forget("late")

    assert over.times == 0


def test_an_earlier_end_wakes_the_thread_that_sleeps_to_a_later_one(dog: Watchdog) -> None:
    far, soon = Interrupted(), Interrupted()
    dog.watch("far", far, FAR_S)

    dog.watch("soon", soon, 0.01)

    assert soon.seen.wait(PATIENCE_S)
    assert far.times == 0
    for statement in ("far", "soon"):
        dog.forget(statement)


def test_a_process_has_one(dog: Watchdog) -> None:
    started = threading.active_count()
    for number in range(5):
        watchdog().watch(number, Interrupted(), FAR_S)
        watchdog().forget(number)

    assert threading.active_count() <= started + 1
    assert watchdog() is watchdog()


def test_a_deadline_that_is_past_interrupts_at_once(dog: Watchdog) -> None:
    late = Interrupted()

    dog.watch("late", late, -1.0)

    assert late.seen.wait(PATIENCE_S)
    dog.forget("late")
