"""Many writers of one log in DynamoDB, simulated: their calls, write units and waits.

Real are `DynamoLog`, its turn and its table's calls; simulated are time, the network, the table and
what it takes to run a transaction. So the result is the same on any machine.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sqlatch.kernel.aws.errors import ConditionFailed
from storage.log.dynamodb import DynamoLog
from storage.log.log import Conflict, Record
from storage.log.marks import LOG
from storage.log.objects import Objects
from storage.log.table import ABSENT_OR_THAT, Table
from storage.log.turn import TURN
from tests.faults.simulated_time import Timeline

START_S = 1_800_000_000.0
ONE_WAY_S = (0.001, 0.003)
RUN_S = (0.001, 0.002)
APPLY_S = 0.0002
"""A call to DynamoDB takes some 4 ms, a one-row write on the copy 1 to 2."""

RECORD = bytes(1_300)
RECORD_UNITS = 2
ID_BYTES = 16


class SimulatedTable:
    """The items of one database by their sort key; each call is one atomic step."""

    def __init__(self) -> None:
        self.items: dict[int, dict[str, Any]] = {}
        self.counts: Counter[str] = Counter()
        self.units = 0

    def __call__(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.counts[operation] += 1
        if operation == "PutItem":
            return self._put(request)
        if operation == "Query":
            return self._query(request)
        item = self.items.get(int(request["Key"]["sk"]["N"]))
        return {} if item is None else {"Item": item}

    def _put(self, request: dict[str, Any]) -> dict[str, Any]:
        item = request["Item"]
        if item["pk"]["S"].startswith("#"):
            return {}
        sk = int(item["sk"]["N"])
        self.units += 1 if sk >= TURN else RECORD_UNITS
        before = self.items.get(sk)
        condition = request.get("ConditionExpression")
        holds = before is None or condition is None
        if condition == ABSENT_OR_THAT and before is not None:
            holds = before["id"] == request["ExpressionAttributeValues"][":id"]
        if not holds:
            raise ConditionFailed("ConditionalCheckFailedException", "", status=400, item=before)
        self.items[sk] = item
        return {}

    def _query(self, request: dict[str, Any]) -> dict[str, Any]:
        behind = int(request["ExpressionAttributeValues"][":sk"]["N"])
        found, sk = [], behind + 1
        while sk in self.items:
            found.append(self.items[sk])
            sk += 1
        found += [self.items[mark] for mark in (TURN, LOG) if mark in self.items]
        return {"Items": found}


@dataclass
class Contention:
    """`writers` that write again and again for `length_s`; each thinks for `think_s` on average.

    The first one's transactions take `slow_s`, if that is given.
    """

    seed: int
    writers: int
    length_s: float
    think_s: float = 0.0
    slow_s: float = 0.0
    timeout_s: float = 30.0
    waits_s: list[float] = field(default_factory=list)
    by_writer: Counter[int] = field(default_factory=Counter)
    gave_up: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.timeline = Timeline(START_S)
        self.table = SimulatedTable()

    def run(self) -> "Contention":
        for number in range(self.writers):
            self.timeline.start(
                lambda number=number: self._write_again_and_again(number),  # type: ignore[misc]
                START_S + self.chance.uniform(0, 0.05),
            )
        self.timeline.run()
        return self

    @property
    def commits(self) -> int:
        return sum(self.by_writer.values())

    @property
    def calls_a_commit(self) -> float:
        return self.table.counts.total() / self.commits

    @property
    def units_a_commit(self) -> float:
        return self.table.units / self.commits

    def wait_s(self, part: float) -> float:
        """Return how long the quickest of that part of all writes took at most."""
        waits_s = sorted(self.waits_s)
        return waits_s[min(int(part * len(waits_s)), len(waits_s) - 1)]

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.timeline.sleep(self.chance.uniform(*ONE_WAY_S))
        try:
            return self.table(operation, request)
        finally:
            self.timeline.sleep(self.chance.uniform(*ONE_WAY_S))

    def _log(self) -> DynamoLog:
        return DynamoLog(
            "main",
            Table("log", self._call),
            Objects("none", ""),
            now=lambda: self.timeline.now_s,
            boot=lambda: self.timeline.now_s,
            sleep=self.timeline.sleep,
            chance=self.chance.random,
        )

    def _write_again_and_again(self, number: int) -> None:
        log = self._log()
        ends_at_s = START_S + self.length_s
        while self.timeline.now_s < ends_at_s:
            if self.think_s:
                self.timeline.sleep(self.chance.expovariate(1 / self.think_s))
            began_s = self.timeline.now_s
            run_s = (self.slow_s, self.slow_s) if self.slow_s and not number else RUN_S
            if self._write(log, began_s + self.timeout_s, run_s):
                self.waits_s.append(self.timeline.now_s - began_s)
                self.by_writer[number] += 1
            else:
                self.gave_up += 1

    def _write(self, log: DynamoLog, deadline_s: float, run_s: tuple[float, float]) -> bool:
        """Write as `Store` does: on the newest state that is known, and again where it was not."""
        while self.timeline.now_s < deadline_s:
            if not log.goes_first:
                self._apply(log.ready(deadline_s, fence=0, seal=False))
            self.timeline.sleep(self.chance.uniform(*run_s))
            try:
                log.append(self.chance.randbytes(ID_BYTES), RECORD)
            except Conflict as conflict:
                self._apply(conflict.records)
            else:
                return True
        return False

    def _apply(self, records: list[Record]) -> None:
        if records:
            self.timeline.sleep(APPLY_S * len(records))
