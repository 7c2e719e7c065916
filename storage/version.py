"""The version of a database: what an answer that is kept elsewhere is known by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """A text that no other state of any database of one name has; empty if there is none.

    `newest_at_s` (epoch) is when the state was known to be the newest.
    """

    text: str
    newest_at_s: float
