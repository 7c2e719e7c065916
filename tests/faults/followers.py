"""Followers of one log at random: connections break, and the log is merged, replaced, deleted.

The leader's log is a real one of either kind, and so is what is served of it. Of each position the
model knows the one state, and every read of every follower is compared with that of its position.
"""

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.errors import CutOff, NotConnected, TimedOut
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import LeaderUnreachable, SqlatchError, StorageError
from sqlatch.kernel.node import LOG_ROOT
from storage.engine import Freshness, Position
from storage.follower.engine import Follower
from storage.log import compaction
from storage.log.cloud import InTable
from storage.log.engine import InLog
from storage.log.slots import Slot
from storage.translate import DatabaseReplaced
from tests.grants import granted
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import OURS, fences

if TYPE_CHECKING:
    from storage.follower.store import FollowerStore
    from storage.nodes import Tail

FOLLOWERS = 3
HOUR_S = 3_600.0
BREAKS = 0.25
"""The share of questions to which something happens on the way."""

Read = tuple[int, list[Any]]


@dataclass(slots=True)
class Counts:
    """The counts of one run, and what must be 0 in it."""

    commits: int = 0
    replaced: int = 0
    deleted: int = 0
    removed: int = 0
    reads: int = 0
    aged: int = 0
    refusals: int = 0
    restarts: int = 0
    neighbours: int = 0
    asked: int = 0
    broken: int = 0
    another_state: int = 0
    too_old: int = 0
    backwards: int = 0
    never_caught_up: int = 0


NEVER = ("another_state", "too_old", "backwards", "never_caught_up")


def broken(counts: Counts) -> dict[str, int]:
    """Return what must be 0 and is not."""
    return {name: number for name, number in asdict(counts).items() if name in NEVER and number}


@dataclass(frozen=True, slots=True)
class Logs:
    """The engine of the leader, and how many of its records, or files of them, are left."""

    engine: InLog | InTable
    left: Callable[[], int]


def in_a_directory(directory: Path) -> Logs:
    root = directory / "logs"
    root.mkdir()
    return Logs(InLog(root, directory / "copies-leader"), lambda: len(list(root.rglob("*.seg"))))


def in_a_table(directory: Path, cloud: Cloud) -> Logs:
    engine = InTable(cloud.table, cloud.objects, Slot("cloud", directory / "copies-leader"))
    return Logs(engine, lambda: len(cloud.table.behind("main", 0)))


class Wire:
    """The connection between a follower and the leader: see `Nodes`."""

    url = "http://leader"

    def __init__(self, leader: "Leader", chance: random.Random, counts: Counts) -> None:
        self._leader = leader
        self._chance = chance
        self._counts = counts
        self.breaks = BREAKS

    def ask(self, request: Request, **_options: Any) -> Answer:
        self._counts.asked += 1
        fault = self._chance.choice(("refused", "lost", "cut", "late"))
        if self._chance.random() >= self.breaks:
            fault = ""
        self._counts.broken += bool(fault)
        if fault == "refused":
            raise NotConnected("no connection")
        if fault == "late":
            raise TimedOut("no whole answer in time")
        answer = self._leader.answer(request)
        if fault == "lost":
            raise CutOff("the connection ended")
        if fault == "cut":
            # A proxy that ends an answer early, and says that this is all of it.
            return Answer(answer.status, answer.headers, answer.body[: -1 - len(answer.body) // 3],
                          is_last=True)  # fmt: skip
        return answer

    def close(self) -> None: ...

    def hang_up(self) -> None: ...


class Leader:
    """The log, what is served of it, and what each of its positions holds."""

    def __init__(self, logs: Logs, directory: Path, chance: random.Random, counts: Counts) -> None:
        self.states: dict[int, list[int] | None] = {0: None}
        self.newest = 0
        self._directory = directory
        self._chance = chance
        self._counts = counts
        self._left = logs.left
        self.engine = logs.engine
        self._tail: Tail = self.engine.tail("main")
        self._next = 0

    def step(self) -> None:
        """Change the log, or what is left of it."""
        is_there = self.states[self.newest] is not None
        steps: list[Callable[[], None]] = [self.commit] * 8
        if is_there:
            steps += [self.replace, self.delete, self.merge, self.merge, self.serve_anew]
        self._chance.choice(steps)()

    def commit(self) -> None:
        values = list(self.states[self.newest] or [])
        with closing(self._open()) as store:
            grant = granted(fence=next(fences))
            with store.write(grant, creates=True) as transaction:
                run = transaction.connection.run
                run("CREATE TABLE IF NOT EXISTS t (n INTEGER PRIMARY KEY, filling)")
                for _row in range(self._chance.randint(1, 5)):
                    self._next += 1
                    values.append(self._next)
                    size = self._chance.choice((10, 100, 5_000))
                    run("INSERT INTO t VALUES (?, randomblob(?))", self._next, size)
                if len(values) > 40:
                    run("DELETE FROM t WHERE n % 3 = 0")
                    values = [value for value in values if value % 3]
                position = transaction.commit()
        self._counts.commits += 1
        self._note(position, values)

    def replace(self) -> None:
        copy = self._directory / "copy.db"
        copy.unlink(missing_ok=True)
        self._next += 1
        with closing(sqlite3.connect(copy)) as connection:
            connection.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, filling)")
            connection.execute("INSERT INTO t VALUES (?, '')", [self._next])
            connection.commit()
        with closing(self._open()) as store:
            position = store.replace(copy, granted(fence=next(fences)))
        self._counts.replaced += 1
        self._note(position, [self._next])

    def delete(self) -> None:
        with closing(self._open()) as store:
            store.remove(granted(fence=next(fences)), lambda _state: None)
        self._counts.deleted += 1
        self._note(self.newest + 1, None)

    def merge(self) -> None:
        """Merge the log into files, and remove every record that these have."""
        with closing(self._open()) as store:
            store.recover(granted(fence=next(fences)))
        before = self._left()
        self.engine.tend("main", time.time() + 60)
        self._counts.removed += before - self._left()

    def serve_anew(self) -> None:
        """Another process serves the log: it knows nothing of what was asked before."""
        self._tail.close()
        self._tail = self.engine.tail("main")

    def answer(self, request: Request) -> Answer:
        asked = dict(parse_qsl(request.query))
        rest = request.path.removeprefix(f"{LOG_ROOT}/main").removeprefix("/")
        part = self._tail.answer(rest, asked, time.time() + 10)
        return Answer(part.status, dict(part.headers), part.content, is_last=False)

    def _open(self) -> Any:
        return self.engine.open("main", table=OURS, now=time.time)

    def _note(self, position: int, values: list[int] | None) -> None:
        # A deletion may write what its files lack before, which changes no content.
        for passed in range(self.newest + 1, position):
            self.states[passed] = self.states[self.newest]
        self.states[position] = values
        self.newest = position


class Node:
    """A follower, which is begun again now and then, with its copy or with that of another."""

    def __init__(self, leader: Leader, copies: Path, chance: random.Random, counts: Counts) -> None:
        self._leader = leader
        self._copies = copies
        self._chance = chance
        self._counts = counts
        self._wire = Wire(leader, chance, counts)
        self._last = 0
        self._begin()

    def step(self) -> None:
        if self._chance.random() < 0.05:
            self._restart()
        choice = self._chance.random()
        newest = self._leader.newest
        if choice < 0.4:
            self.read(Freshness())
        elif choice < 0.7:
            self.read(Freshness(max_age_s=0.0), at_least=newest)
        else:
            position = self._chance.randint(0, newest)
            self.read(Freshness(at_least=Position(position)), at_least=position)

    def heal(self) -> None:
        """Read with a connection that holds: the newest state, and nothing else."""
        self._wire.breaks = 0.0
        if self.read(Freshness(max_age_s=0.0), at_least=self._leader.newest) is None:
            self._counts.never_caught_up += 1

    def read(self, freshness: Freshness, at_least: int = 0) -> int | None:
        """Read, and compare; return the position, None for a refusal."""
        self._counts.reads += 1
        try:
            position, values = self._read(freshness)
        except (LeaderUnreachable, StorageError):
            self._counts.refusals += 1
            return None
        self._counts.another_state += self._leader.states[position] != values
        self._counts.too_old += position < at_least
        self._counts.backwards += position < self._last
        self._counts.aged += position < self._leader.newest
        self._last = position
        return position

    def _read(self, freshness: Freshness) -> tuple[int, list[int] | None]:
        deadline_s = time.time() + 10
        try:
            session = self._store.snapshot(deadline_s, freshness)
            found = session.run("SELECT n FROM t ORDER BY n")
        except DatabaseReplaced:
            # There is none: at the position of the deletion, or of none at all.
            return self._replica.txid, None
        except SqlatchError:
            self._store.close()
            raise
        return self._replica.txid, [int(str(row[0])) for row in found]

    @property
    def _replica(self) -> Any:
        return self._engine._replicas["main"]

    def _begin(self) -> None:
        self._engine = Follower(self._wire, "leader", self._copies, HOUR_S)  # type: ignore[arg-type]
        self._store: FollowerStore = self._engine.open("main", table=OURS, now=time.time)

    def _restart(self) -> None:
        self._store.close()
        self._engine.close()
        if self._chance.random() < 0.5:
            # Another slot: the one before belongs to a process that lives.
            self._counts.neighbours += 1
            self._before = self._engine
        self._counts.restarts += 1
        self._last = 0
        self._begin()


@contextmanager
def quickly_removed() -> Iterator[None]:
    """Have the reaper remove each record at once that files have."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compaction, "RECORDS_KEPT_S", -60)
        # A fault is told at once: nothing is waited for.
        patch.setattr("storage.log.freshness.POLL_S", 0.0)
        yield


def run(directory: Path, seed: int, steps: int, logs: Logs) -> Counts:
    """Let a leader and its followers take steps at random."""
    chance, counts = random.Random(seed), Counts()
    with quickly_removed():
        leader = Leader(logs, directory, chance, counts)
        leader.commit()
        leader.states[0] = [-1]  # from now on nobody may say that there is no database yet
        nodes = [Node(leader, directory / "copies", chance, counts) for _ in range(FOLLOWERS)]
        for _step in range(steps):
            (leader if chance.random() < 0.4 else chance.choice(nodes)).step()
        for node in nodes:
            node.heal()
    return counts
