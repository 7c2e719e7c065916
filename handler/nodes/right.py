"""The right to write that the node has which leads, or every node if none does."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass


def _nothing() -> None:
    """Check nothing."""


@dataclass(frozen=True, slots=True)
class Right:
    """The right of a leader in its `term`. `check` raises LeaseLost if that is over.

    Without a term it does not end: there is no leader, or a setting names it.
    """

    term: int | None = None
    check: Callable[[], None] = _nothing


EVERYBODY = nullcontext(Right())
