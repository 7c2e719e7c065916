"""Contenders for one lease, simulated: every schedule of a seed, with what must never happen.

Real are `Leases`, `DynamoDBTable` and the service's grant, which is checked before a commit;
simulated are time, the network, and the database, which is a counter that each commit raises by
one.
"""

from pathlib import Path
from typing import Any

from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from locking.clock import Clock
from locking.dynamodb import DynamoDBTable
from locking.lease import Lease
from locking.leases import MARGIN_S, Leases
from locking.waiting import WAIT_MAX_S
from sqlatch.kernel.aws.errors import ConditionFailed, TimedOut
from sqlatch.kernel.errors import LeaseBusy, SqlatchError
from sqlexec.databases import Databases
from storage.engine import Grant
from tests.faults.simulated_dynamodb import throttled
from tests.faults.simulated_time import Timeline
from tests.faults.simulated_world import (
    FATES,
    GRACE_PROMISED_S,
    MARGIN_PROMISED_S,
    SKEW_MAX_S,
    START_S,
    Weather,
    World,
)  # fmt: skip
from tests.storage.in_memory import InMemory

READ_TIMEOUT_S = 2.0
TIMEOUT_MAX_S = 3.0
LATE_MAX_S = 12.0
SETTINGS = Settings(databases=Path("/nowhere"), leases="dynamodb:leases")


class Killed(BaseException):
    """The process is gone: no `finally` of it has any effect from here on."""


class _Leases(Leases):
    """Leases that remember which was granted last."""

    lock_id = ""

    def _acquire(self, *arguments: Any) -> Lease:
        lease = super()._acquire(*arguments)
        self.lock_id = lease.held.lock_id
        return lease


class Contender:
    """A process with a clock of its own that sends requests, one after the other."""

    def __init__(self, world: World, name: str, *, offset_s: float, weather: Weather) -> None:
        self.world = world
        self.name = name
        self.weather = weather
        self.dead = False
        self.lock_ids: set[str] = set()
        self.asked_back: set[str] = set()
        self.clock = Clock(
            now=lambda: world.timeline.now_s + offset_s,
            sleep=self.pass_time,
            chance=world.chance.random,
        )
        self.service = Service(SETTINGS, clock=self.clock)
        self.service.databases = Databases(InMemory({}), now=self.clock.now, may_create=True)
        table = DynamoDBTable("leases", _Network(self))  # type: ignore[arg-type]
        self.leases = _Leases(table, clock=self.clock)
        self.service.__dict__["leases"] = self.leases

    def run(self, requests: int) -> None:
        for number in range(requests):
            try:
                self.pass_time(self.world.chance.uniform(0, 0.5))
                self.request(f"{self.name}.{number}", self.world.chance.uniform(0.1, TIMEOUT_MAX_S))
            except Killed:
                self.world.counts["crashed"] += 1
                self.dead = False  # Lambda starts another process in its place.
                self.world.ghosts |= self.lock_ids

    def request(self, name: str, timeout_s: float) -> None:
        """One request, as the service makes it: lease, work, check, commit."""
        world = self.world
        record = Record(function_request_id=name, door="direct")
        deadline_s = self.clock.now() + timeout_s
        lock_id = None
        before = set(self.lock_ids)
        try:
            with self.service.writing("main", record, deadline_s) as grant:
                lock_id = self.leases.lock_id
                world.require(
                    record.leases_taken_over or lock_id not in world.taken_over,
                    "a lease taken over, and its new holder is not told",
                )
                self.write(lock_id, grant)
        except SqlatchError as error:
            world.counts[error.code] += 1
            if isinstance(error, LeaseBusy):
                world.require(not str(error.holder).endswith(f":{name}"), "a claim in its own way")
            world.require(
                world.owner() not in self.lock_ids - before - self.asked_back,
                "a grant whose answer was lost, and nobody gives it back",
            )
        if lock_id is not None and not record.lease_not_released and lock_id not in world.ghosts:
            world.require(world.owner() != lock_id, "said to be given back, and is not")

    def write(self, lock_id: str, grant: Grant) -> None:
        value = self.world.value
        left_s = max(grant.deadline_s - self.clock.now(), 0)
        self.pass_time(self.world.chance.choice((0.002, 0.05, left_s * 0.999, left_s * 1.5)))
        grant.check()
        self.commit(lock_id, value)

    def commit(self, lock_id: str, value: int) -> None:
        """Raise the counter, which takes a while; past the margin SQLite's own lock holds."""
        world = self.world
        length_s = world.chance.choice(
            (0.005, 0.005, MARGIN_PROMISED_S * world.chance.random(), MARGIN_PROMISED_S * 0.999)
        )
        world.say(self.name, f"commits, for {length_s:.3f} s")
        world.require(world.owner() == lock_id, "a commit by one who does not hold the lease")
        started_s = world.committing[lock_id] = world.timeline.now_s
        try:
            self.pass_time(length_s)
        finally:
            del world.committing[lock_id]
        if world.timeline.now_s - started_s > MARGIN_PROMISED_S and world.owner() != lock_id:
            world.counts["left_to_sqlite_locks"] += 1
            return
        world.require(world.value == value, "an update lost: the counter moved since it was read")
        world.value = value + 1
        world.counts["committed"] += 1
        world.say(self.name, f"has committed {world.value}")

    def pass_time(self, seconds: float) -> None:
        """Time passes for this process; it may be stopped for a while meanwhile, or killed."""
        if self.dead:
            raise Killed
        fate = self.world.chance.random()
        if fate < self.weather.crash:
            self.dead = True
            self.world.say(self.name, "is killed")
            raise Killed
        if fate < self.weather.crash + self.weather.stall:
            stalled_s = self.world.chance.uniform(0.1, 8)
            self.world.counts["stalled"] += 1
            self.world.say(self.name, f"stalls for {stalled_s:.3f} s")
            seconds += stalled_s
        self.world.timeline.sleep(seconds)


class _Network:
    """The way to the table and back, as a client: each request has its fate."""

    def __init__(self, contender: Contender) -> None:
        self._contender = contender
        self._world = contender.world

    def update_item(self, **request: Any) -> Any:
        return self._send("update_item", request)

    def delete_item(self, **request: Any) -> Any:
        return self._send("delete_item", request)

    def _send(self, operation: str, request: dict[str, Any]) -> Any:
        world, contender = self._world, self._contender
        lock_id = request["ExpressionAttributeValues"][":lock_id"]["S"]
        contender.lock_ids.add(lock_id)
        if ":expires_at" not in request["ExpressionAttributeValues"]:
            contender.asked_back.add(lock_id)
        world.names.setdefault(lock_id, f"{contender.name}#{len(contender.lock_ids)}")
        asked_at_s = world.timeline.now_s
        (fate,) = world.chance.choices(FATES, contender.weather.fates)
        world.counts[fate.replace(" ", "_")] += 1
        contender.pass_time(world.chance.uniform(0.001, 0.01))
        if fate == "throttled":
            raise throttled()
        if fate == "late":
            world.ghosts.add(lock_id)
            late_s = world.timeline.now_s + world.chance.uniform(0, LATE_MAX_S)
            world.timeline.at(late_s, lambda: self._unheard(operation, request, asked_at_s))
        if fate == "answer lost":
            self._unheard(operation, request, asked_at_s)
        if fate != "answered":
            world.say(contender.name, fate)
            contender.pass_time(READ_TIMEOUT_S)
            raise TimedOut
        try:
            return world.apply(contender, operation, request, asked_at_s)
        finally:
            contender.pass_time(world.chance.uniform(0.001, 0.01))

    def _unheard(self, operation: str, request: dict[str, Any], asked_at_s: float) -> None:
        """A request that is carried out, or refused, and nobody learns which."""
        try:
            self._world.apply(self._contender, operation, request, asked_at_s)
        except ConditionFailed:
            return


def simulate(seed: int) -> World:
    """Run the schedule of a seed; Violation says what happened that must not."""
    world = World(seed)
    offsets_s = [0.0, SKEW_MAX_S, *(world.chance.uniform(0, SKEW_MAX_S) for _other in range(3))]
    for number in range(world.chance.randint(2, len(offsets_s))):
        contender = Contender(
            world, f"c{number}", offset_s=offsets_s[number], weather=world.weather
        )
        requests = world.chance.randint(1, 4)
        world.timeline.start(lambda c=contender, r=requests: c.run(r), START_S)  # type: ignore[misc]
    world.timeline.run()
    world.require(world.value == world.counts["committed"], "a commit was lost")
    _overcome(world)
    return world


def _overcome(world: World) -> None:
    """Whatever was left behind: one who comes now has the lease within what is left of one."""
    calm = Weather(0, 0, (1, *(0 for _fate in FATES[1:])))
    probe = Contender(world, "probe", offset_s=0, weather=calm)
    started_s = world.timeline.now_s
    expires_at_s = float(world.item().get("expires_at", {"N": "0"})["N"])
    waits_s = max(0, expires_at_s + GRACE_PROMISED_S - started_s)
    one_lease_s = TIMEOUT_MAX_S + SKEW_MAX_S + MARGIN_S + GRACE_PROMISED_S
    world.require(waits_s <= one_lease_s, "a lease that stands for longer than a lease")
    record = Record(function_request_id="probe", door="direct")
    world.timeline = probe.world.timeline = Timeline(started_s)
    with probe.service.writing("main", record, started_s + one_lease_s + 1):
        waited_s = world.timeline.now_s - started_s
    world.require(waited_s <= waits_s + WAIT_MAX_S + 0.05, f"waited {waited_s} s for {waits_s} s")
    world.counts["left_behind"] += waits_s > 0
