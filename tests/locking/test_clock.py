"""The clock that nobody sets."""

import time

from locking.clock import Clock, boot_s


def test_the_clock_of_the_machine_goes_on_with_the_monotonic_one() -> None:
    before_s, started_s = boot_s(), time.monotonic()
    time.sleep(0.01)

    assert 0.01 <= Clock().boot() - before_s <= time.monotonic() - started_s + 1
