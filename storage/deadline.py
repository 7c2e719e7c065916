"""The end of the time for calls that SQLite or a list of files stands before, and no argument."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf

_deadline_s: ContextVar[float] = ContextVar("deadline_s", default=inf)


@contextmanager
def within(deadline_s: float) -> Iterator[None]:
    """Bound the calls in the block to the time up to a deadline, epoch seconds."""
    token = _deadline_s.set(deadline_s)
    try:
        yield
    finally:
        _deadline_s.reset(token)


def bound_s() -> float:
    """Return the deadline of the block that this is called in; infinity outside of any."""
    return _deadline_s.get()
