"""The waits before a call that AWS did not answer is made again: exponential, with full jitter."""

import random
from collections.abc import Callable, Iterator

FIRST_S, LONGEST_S = 0.05, 3.2
"""The longest first wait; each next one may be twice as long, up to the second."""


def waits(
    chance: Callable[[], float] = random.random, *, first_s: float = FIRST_S
) -> Iterator[float]:
    """Yield waits without an end, each drawn between nothing and its longest."""
    longest_s = first_s
    while True:
        yield longest_s * chance()
        longest_s = min(2 * longest_s, LONGEST_S)
