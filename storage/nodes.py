"""Between nodes: a log as it is served to those that follow it, a request for the leader."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class ForLeader(Exception):
    """The request is one for the node that leads: nothing of it was done here."""


@dataclass(frozen=True, slots=True)
class Lag:
    """The newest of a machine's copies of a database, and how far it is behind the leader.

    `records` and `ms` (since the first record that it lacks was written) are None where the leader
    does not answer, which `failure` then says.
    """

    name: str
    position: int
    copies: int
    records: int | None
    ms: int | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a log as it travels to a node that follows it; `status` and headers are HTTP's."""

    content: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Tail(Protocol):
    """The log of one database for the nodes that follow it. Threads may share it."""

    def answer(self, path: str, asked: Mapping[str, str], deadline_s: float) -> Part:
        """Return records, or files; BadEvent. It may wait for a record if that is asked for."""

    def close(self) -> None: ...
