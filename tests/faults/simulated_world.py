"""The world of one simulated schedule: true time, the lease table, and what must hold of them."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from locking.dynamodb import PREFIX
from tests.faults.simulated_dynamodb import SimulatedDynamoDB
from tests.faults.simulated_time import Timeline

if TYPE_CHECKING:
    from tests.faults.lease_simulation import Contender

START_S = 1_800_000_000.0
SKEW_MAX_S = 1.0
GRACE_PROMISED_S = 1.0
MARGIN_PROMISED_S = 2.0
"""What DESIGN promises, said here again: the code's own numbers are under test."""

TRACE_SHOWN = 40

FATES = ("answered", "throttled", "request lost", "answer lost", "late")


class Violation(AssertionError):
    """Something happened that must never happen."""


@dataclass(frozen=True, slots=True)
class Weather:
    """The faults of one schedule: chances of each step."""

    crash: float
    stall: float
    fates: tuple[float, ...]

    @classmethod
    def of(cls, chance: random.Random) -> "Weather":
        faulty = chance.choice((0.0, 0.03, 0.15))
        fates = [faulty * chance.choice((0, 1, 1)) for _fate in FATES[1:]]
        return cls(
            chance.choice((0.0, 0.003, 0.02)),
            chance.choice((0.0, 0.01, 0.05)),
            (1 - min(sum(fates), 0.9), *fates),
        )


@dataclass
class World:
    """One schedule: true time, the table, the counter, and what was seen."""

    seed: int
    chance: random.Random = field(init=False)
    timeline: Timeline = field(default_factory=lambda: Timeline(START_S))
    table: SimulatedDynamoDB = field(default_factory=SimulatedDynamoDB)
    counts: Counter[str] = field(default_factory=Counter)
    trace: list[str] = field(default_factory=list)
    value: int = 0
    fence_max: int = 0
    committing: dict[str, float] = field(default_factory=dict)
    taken_over: set[str] = field(default_factory=set)
    ghosts: set[str] = field(default_factory=set)
    names: dict[str | None, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.weather = Weather.of(self.chance)

    def item(self) -> dict[str, dict[str, str]]:
        return self.table.items.get(f"{PREFIX}main", {})

    def owner(self) -> str | None:
        return self.item().get("lock_id", {}).get("S")

    def say(self, who: str, what: str) -> None:
        self.trace.append(f"{self.timeline.now_s - START_S:9.4f} {who}: {what}")

    def require(self, holds: object, otherwise: str) -> None:
        if not holds:
            raise Violation("\n".join([otherwise, *self.trace[-TRACE_SHOWN:]]))

    def apply(
        self, who: "Contender", operation: str, request: dict[str, Any], asked_at_s: float
    ) -> Any:
        """One step of the table, and what must hold of it."""
        before, owner = self.item(), self.owner()
        try:
            return getattr(self.table, operation)(**request)
        finally:
            after = self.owner()
            asked = request["ExpressionAttributeValues"][":lock_id"]["S"]
            takes = ":expires_at" in request["ExpressionAttributeValues"]
            what = "take" if takes else "give back"
            self.say(who.name, f"{what} at the table: owner is {self.names.get(after)}")
            if after != owner:
                self._check_change(who, owner, after)
            elif takes and owner not in (None, asked):
                expired_at_s = float(before["expires_at"]["N"])
                self.require(
                    asked_at_s <= expired_at_s + GRACE_PROMISED_S + SKEW_MAX_S,
                    "refused, though by every clock the lease has run out",
                )

    def _check_change(self, who: "Contender", owner: str | None, after: str | None) -> None:
        if owner in self.committing:
            late_s = self.timeline.now_s - self.committing[owner]
            self.require(late_s > MARGIN_PROMISED_S, "two holders within the margin of a commit")
        if after is None:
            self.require(owner in who.lock_ids, "a release freed somebody else's lease")
            return
        self.counts["granted"] += 1
        fence = int(self.item()["fence"]["N"])
        self.require(fence > self.fence_max, "the fence went back")
        self.fence_max = fence
        if owner is not None:
            self.taken_over.add(after)
            self.counts["taken_over"] += 1
