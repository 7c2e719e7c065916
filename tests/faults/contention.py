"""Many writers of one database on one lease, simulated: how many write, and who waits how long.

Real are `Leases` and `DynamoDBTable`; simulated are time, the network, what a write takes, and a
table that throttles as DynamoDB does.
"""

import random
from dataclasses import dataclass, field
from typing import Any

from locking.clock import Clock
from locking.dynamodb import DynamoDBTable
from locking.leases import Leases
from sqlatch.kernel.errors import SqlatchError
from tests.faults.simulated_dynamodb import MeteredDynamoDB
from tests.faults.simulated_time import Timeline

START_S = 1_800_000_000.0
ONE_WAY_S = (0.001, 0.003)
WRITE_S = (0.02, 0.03)
"""A call to DynamoDB takes some 4 ms, a commit on EFS some 25."""


@dataclass
class Contention:
    """`writers` that write again and again for `length_s`, each with `timeout_s` for a request."""

    seed: int
    writers: int
    timeout_s: float
    length_s: float
    think_s: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    written_at_s: list[float] = field(default_factory=list)
    wrote: set[int] = field(default_factory=set)
    refused: int = 0
    not_released: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.timeline = Timeline(START_S)
        self.table = MeteredDynamoDB(lambda: self.timeline.now_s)
        clock = Clock(
            now=lambda: self.timeline.now_s,
            sleep=self.timeline.sleep,
            chance=self.chance.random,
        )
        self.leases = Leases(
            DynamoDBTable("leases", _Line(self)),  # type: ignore[arg-type]
            clock=clock,
        )

    def run(self) -> "Contention":
        for number in range(self.writers):
            self.timeline.start(
                lambda number=number: self._write_again_and_again(number),  # type: ignore[misc]
                START_S + self.chance.uniform(0, 0.5),
            )
        self.timeline.run()
        return self

    @property
    def writes_a_second(self) -> float:
        return len(self.written_at_s) / self.length_s

    def fewest_writes_a_second(self, window_s: float) -> float:
        """Of the windows that follow each other, the worst."""
        counts = [0] * int(self.length_s / window_s)
        for at_s in self.written_at_s:
            counts[min(int((at_s - START_S) / window_s), len(counts) - 1)] += 1
        return min(counts) / window_s

    @property
    def calls_a_second(self) -> float:
        return sum(self.table.counts.values()) / self.length_s

    def _write_again_and_again(self, number: int) -> None:
        ends_at_s = START_S + self.length_s
        while self.timeline.now_s < ends_at_s:
            if self.think_s:
                self.timeline.sleep(self.chance.expovariate(1 / self.think_s))
            self._write(number, ends_at_s)

    def _write(self, number: int, ends_at_s: float) -> None:
        deadline_s = self.timeline.now_s + self.timeout_s
        try:
            with self.leases.hold("main", holder=str(number), deadline_s=deadline_s) as lease:
                if self.timeline.now_s > ends_at_s:
                    return
                self.timeline.sleep(self.chance.uniform(*WRITE_S))
                self.waits_s.append(lease.waited_ms / 1000)
                self.written_at_s.append(self.timeline.now_s)
                self.wrote.add(number)
        except SqlatchError:
            self.refused += 1
        else:
            self.not_released += not lease.released


class _Line:
    """The way to the table and back, as a client."""

    def __init__(self, contention: Contention) -> None:
        self._contention = contention

    def update_item(self, **request: Any) -> Any:
        contention = self._contention
        contention.timeline.sleep(contention.chance.uniform(*ONE_WAY_S))
        try:
            return contention.table.update_item(**request)
        finally:
            contention.timeline.sleep(contention.chance.uniform(*ONE_WAY_S))
