"""Time and chance, as an argument: so that a test can stop the one and choose the other."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass


def boot_s() -> float:
    """Return the seconds since the machine was started, those of its sleep among them."""
    # macOS counts its sleep under the other name.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` in epoch seconds, `sleep` in seconds, `chance` uniform in [0, 1).

    `boot` is a clock in seconds that nobody sets, which begins anywhere.
    """

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    boot: Callable[[], float] = boot_s
