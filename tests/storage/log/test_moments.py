"""The time since a moment is that of the clock that says more."""

import time

from storage.log.moments import Clocks, boot_s


def test_the_clock_that_says_more_counts() -> None:
    now = {"boot": 10.0, "epoch": 1000.0}
    clocks = Clocks(epoch=lambda: now["epoch"], boot=lambda: now["boot"])
    then = clocks.moment()

    now["boot"] += 5
    assert clocks.since(then) == 5, "the wall clock stood still"
    now["epoch"] += 60
    assert clocks.since(then) == 60, "the machine was frozen"
    now["epoch"] -= 600
    assert clocks.since(then) == 5, "the wall clock was set back"
    assert clocks.since(None) == float("inf")


def test_the_clock_of_the_machine_goes_on() -> None:
    clocks = Clocks(epoch=time.time)

    assert 0 <= clocks.since(clocks.moment()) < 60
    assert boot_s() > 0
