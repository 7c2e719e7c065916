"""Copies that a feed brings on in the background, of a leader that comes and goes: their age.

What follows runs in real time: a read that asked for a state that is so old at most gets one with
every commit that was acknowledged before that.
"""

import random
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.errors import NotConnected
from sqlatch.kernel.aws.signature import Request
from storage.engine import Freshness
from storage.follower import wire
from storage.follower.engine import Follower
from storage.follower.remote import RemoteLog
from storage.log.log import Record
from tests.faults import tally
from tests.faults.followers import Counts, Leader, Node, Wire, broken, in_a_directory
from tests.faults.report import FULL, record_planted
from tests.storage.log.logs import OURS

RUNS = 100 if FULL else 1
STEPS = 150
STEP_S_MAX = 0.02
MAX_AGE_S = 0.4
LEADER_WAITS_S = (0.02, 0.1, wire.WAIT_S_MAX)
"""What the leader gives a question: less than the feed asks for, and more."""

HAPPENED = ("commits", "reads", "aged", "refusals", "broken")


class Away(Wire):
    """A connection that is whole, or is not there."""

    is_away = False

    def ask(self, request: Request, **options: Any) -> Answer:
        if self.is_away:
            self._counts.broken += 1
            raise NotConnected("no connection")
        return super().ask(request, **options)


class Fed(Node):
    """A follower that is never begun again, and whose copy is fed."""

    def _begin(self) -> None:
        self.wire = Away(self._leader, self._chance, self._counts)
        self.wire.breaks = 0.0
        self._engine = Follower(self.wire, "leader", self._copies, MAX_AGE_S)  # type: ignore[arg-type]
        self._engine.feed()
        self._store = self._engine.open("main", table=OURS, now=time.time)

    def close(self) -> None:
        self._store.close()
        self._engine.close()


def run(directory: Path, seed: int, patch: pytest.MonkeyPatch) -> Counts:
    chance, counts = random.Random(seed), Counts()
    patch.setattr(wire, "WAIT_S_MAX", chance.choice(LEADER_WAITS_S))
    leader = Leader(in_a_directory(directory), directory, chance, counts)
    leader.commit()
    committed = [(time.time(), leader.newest)]
    node = Fed(leader, directory / "copies", chance, counts)
    node.read(Freshness())
    for _step in range(STEPS):
        choice = chance.random()
        if choice < 0.3:
            leader.commit()
            committed.append((time.time(), leader.newest))
        elif choice < 0.35:
            node.wire.is_away = not node.wire.is_away
        else:
            age_s = chance.uniform(0, 2 * MAX_AGE_S)
            before_s = time.time() - age_s
            due = max((position for at_s, position in committed if at_s < before_s), default=0)
            node.read(Freshness(max_age_s=age_s), at_least=due)
        time.sleep(chance.uniform(0, STEP_S_MAX))
    node.close()
    return counts


@pytest.fixture
def directories(tmp_path: Path) -> Iterator[Path]:
    def made() -> Iterator[Path]:
        for number in count():
            (tmp_path / str(number)).mkdir()
            yield tmp_path / str(number)

    return made()


def test_no_read_is_older_than_it_asked_for(
    directories: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def one() -> Counts:
        seed = time.time_ns()
        counts = run(next(directories), seed, monkeypatch)
        assert broken(counts) == {}, f"seed {seed}"
        return counts

    counts = tally.added_up(one, dict.fromkeys(HAPPENED, 1), runs=RUNS)
    tally.keep("followers", "whose copies are fed", counts)


def test_a_leader_that_is_believed_to_have_waited_as_long_as_asked_is_found(
    directories: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control."""
    wait = RemoteLog.wait

    def believing(self: RemoteLog, wait_s: float, deadline_s: float) -> list[Record]:
        records = wait(self, wait_s, deadline_s)
        self.waited_s = wait_s
        return records

    monkeypatch.setattr(RemoteLog, "wait", believing)

    runs = range(tally.RUNS_MAX)
    found = (broken(run(next(directories), time.time_ns(), monkeypatch)) for _run in runs)
    assert any(found)
    record_planted("follower: the leader waited as long as it was asked to", "followers")
