"""The time that has passed since a moment, on a machine that may be frozen or set back."""

import time
from collections.abc import Callable
from typing import NamedTuple


def boot_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Moment(NamedTuple):
    """A time on two clocks: one that nobody sets, one that goes on while a machine is frozen."""

    boot_s: float
    epoch_s: float


class Clocks:
    def __init__(self, *, epoch: Callable[[], float], boot: Callable[[], float] = boot_s) -> None:
        self._epoch = epoch
        self._boot = boot

    def moment(self) -> Moment:
        return Moment(self._boot(), self._epoch())

    def since(self, then: Moment | None) -> float:
        """Return the seconds since then, by the clock that says more; infinity since never."""
        if then is None:
            return float("inf")
        now = self.moment()
        return max(now.boot_s - then.boot_s, now.epoch_s - then.epoch_s)
