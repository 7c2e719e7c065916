"""Grants as the service gives them, without a lease behind them."""

import time
from collections.abc import Callable

from storage.engine import Grant


def nothing() -> None:
    """Neither refuse nor note anything."""


def granted(
    check: Callable[[], None] = nothing, *, fence: int = 1, deadline_s: float | None = None
) -> Grant:
    """A grant for ten minutes, if no deadline is given."""
    until_s = time.time() + 600 if deadline_s is None else deadline_s
    return Grant(until_s, fence, check, doubt=nothing, settle=nothing)
