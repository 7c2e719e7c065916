"""How a database is kept: what its storage is given."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table that is created in each database. `sql` may be run where the table exists."""

    name: str
    sql: str


@dataclass(frozen=True, slots=True)
class Grant:
    """The right to write to one database, until `deadline_s` (epoch seconds).

    `check` is called as the last step before each commit, and raises if the right has ended.
    `fence` is greater than that of every earlier grant of the database. `taken_over` says that the
    holder before never gave the right back, and may have been killed in the middle of a commit.
    """

    deadline_s: float
    fence: int
    taken_over: bool
    check: Callable[[], None]
