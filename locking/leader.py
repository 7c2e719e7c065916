"""The leader of a cluster of nodes: the one that writes, for as long as it renews its term.

No wall clock is asked. A leader counts its term from before it sent the renewal; another node takes
over once it has seen the same renewal stand for that long itself. Both count by the clock of their
own machine since its start, so one that is set to another hour changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import uuid4

from .clock import Clock

GRACE_S = 0.1
"""The time beyond a term that another node waits: two clocks do not run at the same speed.

They differ by 500 millionths at most, as far as Linux lets them.
"""

POLL_S = 0.5
"""The time between two questions to the table who leads; shorter where a term is short."""

PENDING_MAX = 16
"""Writes without an answer that a candidate would know again."""


@dataclass(frozen=True, slots=True)
class Term:
    """The term of a leader as it stands in the table.

    `number` is greater with each leader, `version` another one with each write. `node` is a URL,
    empty if nobody leads. `offered`: that node was named by the leader before, and has yet to
    accept. `since_s` and `renewed_s` are in epoch seconds, for people.
    """

    number: int
    version: str
    node: str
    duration_s: float
    since_s: float
    renewed_s: float
    offered: bool = False


class LeaderTable(Protocol):
    """The table of leaders. Each method is one atomic step; after TableUnavailable it may have run.

    StorageError is raised where trying again cannot help (no table, no permission).
    """

    def leader(self, cluster: str) -> Term | None:
        """Return the term that stands, None if there was no leader yet."""

    def put_leader(self, cluster: str, term: Term, seen: Term | None) -> bool:
        """Put a term in the place of the one that was seen; False if that stands no more."""

    def close(self) -> None:
        """Close the connection."""


class Candidate:
    """The part of one node in its cluster: it leads, or waits until the leader's term is over.

    A node without a URL (`node` is empty) never leads, it only looks on. Not for threads.
    """

    def __init__(
        self, table: LeaderTable, cluster: str, node: str, *, duration_s: float, clock: Clock
    ) -> None:
        self.seen: Term | None = None
        """The term that stood when the table was asked last."""
        self.until_s = 0.0
        """Until when this node leads, by `Clock.boot`."""
        self.until_epoch_s = 0.0
        """The same by `Clock.now`, which goes on while a machine is frozen as a whole."""
        self.seen_s = 0.0
        """When the table was asked last, by `Clock.boot`."""
        self.clock = clock
        self._table = table
        self._cluster = cluster
        self._node = node
        self._duration_s = duration_s
        self._seen_since_s = 0.0
        self._sent: dict[str, tuple[float, float]] = {}

    @property
    def poll_s(self) -> float:
        """The time until the next step."""
        return min(POLL_S, self._duration_s / 10)

    def step(self, *, may_take: bool = True) -> None:
        """Ask who leads; renew the own term, or take over one that is over. TableUnavailable.

        Unless it `may_take`, only what it has or is offered.
        """
        self._see(self._table.leader(self._cluster))
        seen, now_s = self.seen, self.clock.boot()
        if self.until_s:
            assert seen is not None
            if now_s >= self.until_s - self._duration_s * 2 / 3:
                self._put(replace(seen, offered=False))
        elif not self._node:
            return
        elif seen is not None and seen.version in self._sent:
            self._put(self._new(seen.number + 1))  # our own, which is over: nobody else has led
        elif seen is not None and seen.node == self._node and seen.offered:
            self._put(replace(seen, offered=False))
        elif may_take and self._is_over(now_s):
            number = 1 if seen is None else seen.number + 1
            self._put(self._new(number))

    def _new(self, number: int) -> Term:
        now_s = self.clock.now()
        return Term(number, "", self._node, self._duration_s, since_s=now_s, renewed_s=now_s)

    def _is_over(self, now_s: float) -> bool:
        if self.seen is None or not self.seen.node:
            return True
        return now_s > self._seen_since_s + self.seen.duration_s + GRACE_S

    def _see(self, term: Term | None) -> None:
        # Behind the answer: what it shows was sent before, so its term began before that.
        now_s = self.seen_s = self.clock.boot()
        if term is None or self.seen is None or term.version != self.seen.version:
            self._seen_since_s = now_s
        self.seen = term
        self.until_s = self.until_epoch_s = 0.0
        if term is not None and term.version in self._sent:
            sent_s, sent_epoch_s = self._sent[term.version]
            if now_s < sent_s + term.duration_s:
                self.until_s = sent_s + term.duration_s
                self.until_epoch_s = sent_epoch_s + term.duration_s

    def _put(self, term: Term) -> None:
        now_s = self.clock.now()
        term = replace(term, version=str(uuid4()), duration_s=self._duration_s, renewed_s=now_s)
        if len(self._sent) >= PENDING_MAX:
            self._sent.pop(next(iter(self._sent)))
        self._sent[term.version] = self.clock.boot(), now_s
        if self._table.put_leader(self._cluster, term, self.seen):
            self._sent = {term.version: self._sent[term.version]}
            self._see(term)
        else:
            self.until_s = self.until_epoch_s = 0.0


def hand_over(
    table: LeaderTable, cluster: str, version: str, to: str, *, now: Callable[[], float]
) -> bool:
    """Give the term of that version up, in favour of a node, or of any (""); False if it is over.

    Who calls it has made sure that nothing is committed under that term from now on. Else
    TableUnavailable: it may have been given up.
    """
    seen = table.leader(cluster)
    if seen is None or seen.version != version:
        return False
    now_s = now()
    given = Term(
        seen.number + 1,
        str(uuid4()),
        to,
        seen.duration_s,
        since_s=now_s,
        renewed_s=now_s,
        offered=bool(to),
    )
    return table.put_leader(cluster, given, seen)
