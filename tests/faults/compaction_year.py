"""A year of one log in DynamoDB and S3, in simulated time: writers that stall, reapers that remove.

Nothing is shortened: records are kept for an hour, files for days. Writers stall for seconds to
weeks, mostly between the decision to put a record and the put; so do reapers, before they remove.
"""

import hashlib
import heapq
import os
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from sqlatch.kernel.aws.errors import ConditionFailed, TimedOut
from sqlatch.kernel.errors import StorageError
from storage.log import ltx
from storage.log.bucket_archive import BucketArchive
from storage.log.compaction import DAY_S, compact, take_in
from storage.log.dynamodb import DynamoLog
from storage.log.log import BEGINNING, COMMIT_ID_BYTES, Conflict, Gone, InDoubt, Place, Record
from storage.log.objects import Objects, Stored
from storage.log.table import Table
from tests.faults.cloud_server import Refused, Tables

START_S = 1_700_000_000.0
WRITERS = 4
REAPERS = 2
WRITES_EVERY_S = DAY_S
REAPS_EVERY_S = DAY_S / 3
BURST_MAX = 5
BURST_PAUSE_S = 20.0
PATIENCE_S = 10.0
LATE_S_MAX = 900.0
"""AWS refuses a request that is older, by its signature."""

STALLS = 0.15
STALL_S_MAX = 40 * DAY_S
NESTED_MAX = 3
LOST = 0.03
LATE = 0.02

PAGE_BYTES = 512
PAGES = 8


@dataclass(slots=True)
class Counts:
    """The counts of a simulated time, and what must be 0 in it."""

    days: int = 0
    acknowledged: int = 0
    records: int = 0
    removed: int = 0
    passes: int = 0
    stalls: int = 0
    unknown: int = 0
    begun_anew: int = 0
    new_instances: int = 0
    late_calls: int = 0
    lost: int = 0
    twice: int = 0
    refused_and_there: int = 0
    another_state: int = 0
    stale: int = 0


class Bucket(Objects):
    """Objects in memory, written at the simulated time."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__("bucket", "")
        self._stored: dict[str, tuple[bytes, float]] = {}
        self._now = now

    def put_new(self, key: str, content: bytes, metadata: Any = None) -> None:
        self._stored.setdefault(key, (content, self._now()))

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        content, _written_s = self._stored.get(key, (None, 0.0))
        end = None if length is None else offset + length
        return None if content is None else content[offset:end]

    def delete(self, key: str) -> None:
        self._stored.pop(key, None)

    def list(self, prefix: str = "") -> Iterator[Stored]:
        for key, (content, written_s) in sorted(self._stored.items()):
            if key.startswith(prefix):
                yield Stored(key, len(content), written_s)


@dataclass
class World:
    """The time, the two services, and what is still to happen."""

    chance: random.Random
    now_s: float = START_S
    counts: Counts = field(default_factory=Counts)
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    nested: int = 0
    busy: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbers = count()
        self.tables = Tables()
        self.tables.CreateTable({"TableName": "log"})
        self.bucket = Bucket(lambda: self.now_s)

    def at(self, at_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self.events, (at_s, next(self._numbers), act))

    def run_until(self, until_s: float) -> None:
        while self.events and self.events[0][0] <= until_s:
            at_s, _number, act = heapq.heappop(self.events)
            self.now_s = max(self.now_s, at_s)
            act()
        self.now_s = max(self.now_s, until_s)

    def sleep(self, seconds: float) -> None:
        self.run_until(self.now_s + seconds)

    def stall(self) -> float:
        """Let time pass, seconds or weeks, in which others go on. Return how long."""
        self.counts.stalls += 1
        began_s = self.now_s
        self.nested += 1
        self.sleep(STALL_S_MAX ** self.chance.random())
        self.nested -= 1
        return self.now_s - began_s

    def do(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = getattr(self.tables, operation)(request)
        except Refused as refused:
            raise ConditionFailed(refused.code, "", status=400, item=refused.item) from refused
        return answer

    def land(self, operation: str, request: dict[str, Any]) -> None:
        self.counts.late_calls += 1
        try:
            self.do(operation, request)
        except ConditionFailed:
            return


class Instance:
    """A log as one process knows it, and the pages of its copy."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.frozen_s = 0.0
        self.may_stall = False
        self.sees_freezes = world.chance.random() < 0.5
        self.table = Table("log", self.call)
        self.archive = BucketArchive(world.bucket, "main")
        self.pages: dict[int, bytes] = {}
        self.log = self.opened(BEGINNING)

    def opened(self, place: Place) -> DynamoLog:
        world = self.world
        return DynamoLog(
            "main",
            self.table,
            world.bucket,
            at=place,
            now=lambda: world.now_s,
            boot=lambda: world.now_s - (0.0 if self.sees_freezes else self.frozen_s),
            sleep=world.sleep,
        )

    def call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        world, puts = self.world, operation == "PutItem"
        if puts and self.may_stall and world.nested < NESTED_MAX and world.chance.random() < STALLS:
            self.frozen_s += world.stall()
        if puts and world.chance.random() < LATE:
            late_s = world.now_s + world.chance.random() * LATE_S_MAX
            world.at(late_s, lambda: world.land(operation, request))
            raise TimedOut("it lands late")
        answer = world.do(operation, request)
        if world.chance.random() < LOST:
            raise TimedOut("the answer was lost")
        return answer

    @property
    def txid(self) -> int:
        return self.log.place.txid

    @property
    def soon_s(self) -> float:
        return self.world.now_s + PATIENCE_S

    @property
    def digest(self) -> str:
        return hashlib.sha256(repr(sorted(self.pages.items())).encode()).hexdigest()[:16]

    def follow(self, ask: Callable[[], list[Record]]) -> None:
        try:
            self.apply(ask())
        except Gone:
            self.world.counts.begun_anew += 1
            self.begin_anew()

    def begin_anew(self) -> None:
        """Begin with the newest snapshot and the files behind it, then follow the log."""
        start = self.archive.start()
        assert start is not None, "records were removed, and there is no snapshot"
        self.pages = {}
        for each in (start.snapshot, *start.tail):
            with each.open() as file:
                self.pages |= ltx.decode(file.read())[1]
        self.log = self.opened(Place(epoch=0, offset=0, txid=start.last))
        self.apply(self.log.sync(self.soon_s))

    def apply(self, records: list[Record]) -> None:
        for record in records:
            self.pages |= ltx.decode(record.content)[1]


class Writer(Instance):
    """It writes now and then, a few records in a row."""

    def __init__(self, world: World, truth: "Truth") -> None:
        super().__init__(world)
        self.truth = truth

    def plan(self) -> None:
        self.world.at(
            self.world.now_s + self.world.chance.expovariate(1 / WRITES_EVERY_S), self.act
        )

    def act(self) -> None:
        if id(self) not in self.world.busy:
            self.world.busy.add(id(self))
            for _write in range(self.world.chance.randrange(BURST_MAX)):
                self.write()
                self.world.sleep(self.world.chance.random() * BURST_PAUSE_S)
            self.read()
            self.world.busy.discard(id(self))
        self.plan()

    def read(self) -> None:
        known = self.truth.acknowledged_to
        try:
            self.follow(lambda: self.log.sync(self.soon_s))
        except StorageError:
            return
        self.truth.look()
        self.world.counts.stale += self.txid < known
        self.truth.compare(self)

    def write(self) -> None:
        try:
            if not self.log.goes_first:
                self.follow(lambda: self.log.ready(self.soon_s, fence=0, seal=False))
        except StorageError:
            return
        txid, commit_id = self.txid + 1, os.urandom(COMMIT_ID_BYTES)
        content = self.record(txid, commit_id)
        self.may_stall = True
        try:
            self.log.append(commit_id, content)
            is_there = True
        except Conflict as conflict:
            winners = conflict.records
            self.follow(lambda: winners)
            is_there = False
        except (InDoubt, StorageError):
            try:
                is_there, records = self.log.outcome(txid, commit_id, self.soon_s)
            except StorageError as error:
                # What is in the void is no part of the log: the copy goes back.
                self.may_stall = False
                is_refused = error.facts.get("outcome") == "nothing"
                self.truth.told(commit_id, "refused" if is_refused else "unknown")
                self.restart()
                return
            self.follow(lambda: records)
        else:
            self.pages |= ltx.decode(content)[1]
        self.may_stall = False
        self.truth.told(commit_id, "acknowledged" if is_there else "refused", txid)

    def restart(self) -> None:
        self.world.counts.unknown += 1
        self.log = self.opened(Place(epoch=1, offset=0, txid=self.txid) if self.txid else BEGINNING)

    def record(self, txid: int, commit_id: bytes) -> bytes:
        """Return a record that says on which state it was made."""
        said = f"{txid} {commit_id.hex()} {self.digest}".encode().ljust(PAGE_BYTES, b"\0")
        wanted = range(1, PAGES + 1) if txid == 1 else sorted({1, 2 + txid % (PAGES - 1)})
        first = 1 if txid == 1 else txid
        header = ltx.Header(PAGE_BYTES, PAGES, first, txid, int(self.world.now_s * 1000))
        return b"".join(ltx.encode(header, [(number, said) for number in wanted]))


class Truth(Instance):
    """What is in the log, read behind every step, and what the writers were told."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.table = Table("log", world.do)
        self.log = self.opened(BEGINNING)
        self.digests = [self.digest]
        self.commits: list[str] = []
        self.said: dict[str, str] = {}
        self.acknowledged_to = 0

    def look(self) -> None:
        for record in self.log.sync(self.soon_s):
            (said, *_others) = ltx.decode(record.content)[1].values()
            _txid, _commit_id, base = said.rstrip(b"\0").decode().split()
            self.world.counts.another_state += base != self.digests[-1]
            self.apply([record])
            self.commits.append(record.commit_id.hex())
            self.digests.append(self.digest)

    def told(self, commit_id: bytes, what: str, txid: int = 0) -> None:
        self.look()
        self.said[commit_id.hex()] = what
        if what == "acknowledged":
            self.acknowledged_to = max(self.acknowledged_to, txid)

    def compare(self, instance: Instance) -> None:
        self.world.counts.another_state += instance.digest != self.digests[instance.txid]

    def settle(self) -> Counts:
        self.look()
        counts, there = self.world.counts, set(self.commits)
        counts.records = len(self.commits)
        counts.twice = len(self.commits) - len(there)
        said = {
            what: {key for key, one in self.said.items() if one == what}
            for what in ("acknowledged", "refused")
        }
        counts.acknowledged = len(said["acknowledged"])
        counts.lost = len(said["acknowledged"] - there)
        counts.refused_and_there = len(said["refused"] & there)
        return counts


class Reaper(Instance):
    """It merges and removes, and may stall between the two. Behind it a new instance begins."""

    def __init__(self, world: World, truth: Truth) -> None:
        super().__init__(world)
        self.truth = truth

    def plan(self) -> None:
        self.world.at(self.world.now_s + self.world.chance.expovariate(1 / REAPS_EVERY_S), self.act)

    def act(self) -> None:
        world = self.world
        self.truth.look()
        if id(self) not in world.busy and self.truth.txid:
            world.busy.add(id(self))
            with suppress(StorageError, Gone):  # the next pass does it
                self.reap()
            world.busy.discard(id(self))
        self.plan()

    def reap(self) -> None:
        start = self.archive.start()
        log = self.opened(Place(0, 0, start.last if start else 0))
        records = [record.content for record in log.sync(self.soon_s)]
        now_s = self.world.now_s
        if records:
            take_in(self.archive, records)
        floor = compact(self.archive, now_s)
        if self.world.nested < NESTED_MAX and self.world.chance.random() < STALLS:
            self.world.stall()
        self.truth.look()
        self.world.counts.removed = max(self.world.counts.removed, log.remove(floor, self.soon_s))
        self.world.counts.passes += 1
        new = Instance(self.world)
        new.begin_anew()
        self.truth.look()
        self.truth.compare(new)
        self.world.counts.new_instances += 1


def passed(days: int, seed: int) -> Counts:
    """Let so many days pass."""
    world = World(random.Random(seed))
    truth = Truth(world)
    for kind, number in ((Writer, WRITERS), (Reaper, REAPERS)):
        for _each in range(number):
            kind(world, truth).plan()
    world.run_until(START_S + days * DAY_S)
    world.counts.days = days
    return truth.settle()
