"""Once, and only once: crash or lose an answer at every step, ask again, and count the effects."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sqlatch.errors import StorageError
from tests.faults import tally
from tests.faults.campaign import after_the_lease
from tests.faults.crashes import Act, Situation, crashes, machine_in, undisturbed
from tests.faults.machine import Instance, LostAnswers

pytestmark = pytest.mark.slow

SEEDS = 12 if tally.FULL else 2
TWICE_EVERY = 1 if tally.FULL else 10

TABLES = (
    {"query": "CREATE TABLE counter AS SELECT 0 AS n"},
    {"query": "CREATE TABLE drawn (id INTEGER PRIMARY KEY, n INTEGER)"},
)
RAISE = {"query": "UPDATE counter SET n = n + 1 RETURNING n"}
DRAW = {"query": "INSERT INTO drawn (n) VALUES (random()) RETURNING id, n"}
"""Run again it would give another number: a reply tells whether it is the first one."""
MESSAGES = {
    "a": RAISE,
    "b": {"query": "INSERT INTO drawn (id) VALUES ('no number')"},
    "c": {"statements": [DRAW, {"query": "no SQL"}]},
    "d": DRAW,
}


@dataclass(slots=True)
class Counts:
    """How often it crashed or an answer was lost, how many directories that left."""

    crash_points: int = 0
    directories: int = 0
    answers_lost: int = 0
    replayed: int = 0


def ask(instance: Instance) -> Any:
    """An idempotent request; its reply must be the first one."""
    return instance.ask(statements=[RAISE, DRAW], idempotency_key="k")


def deliver(instance: Instance) -> Any:
    """A queue's batch, of which two messages are hopeless."""
    failed = instance.deliver(MESSAGES)
    assert failed == ["b", "c"]
    return failed


def deliver_group(instance: Instance) -> Any:
    """A FIFO queue's batch: behind the hopeless message nothing of its group is applied."""
    order = {name: MESSAGES[name] for name in ("a", "d", "b")}
    failed = instance.deliver({**order, "e": RAISE}, group="g")
    assert failed == ["b", "e"]
    return failed


each_way = pytest.mark.parametrize("act", [ask, deliver, deliver_group])


@pytest.fixture
def start(directory: Path) -> Situation:
    situation = Situation({}, [])
    for table in TABLES:
        situation = undisturbed(situation, directory, _asking(table))
    return situation


@each_way
@pytest.mark.timeout(3_600 if tally.FULL else 120)
def test_a_crash_at_any_step_and_the_effect_is_there_once(
    act: Act, start: Situation, directory: Path
) -> None:
    counts = Counts()
    for point, wrecks in crashes(start, directory, act, seeds=SEEDS):
        counts.crash_points += 1
        for way, wreck in wrecks.items():
            counts.directories += 1
            assert_once(wreck, directory, act, counts, f"operation {point}, {way}")

    tally.keep("once, after a crash", act.__name__, counts)
    assert counts.crash_points > 20
    assert 0 < counts.replayed < counts.directories


@each_way
@pytest.mark.timeout(3_600 if tally.FULL else 120)
def test_a_crash_of_the_repetition_too_and_the_effect_is_there_once(
    act: Act, start: Situation, directory: Path
) -> None:
    counts = Counts()
    wrecks = [
        (f"operation {point}, {way}", wreck)
        for point, wrecks in crashes(start, directory, act, seeds=1)
        for way, wreck in wrecks.items()
    ]
    for first, wreck in wrecks[::TWICE_EVERY]:
        for point, seconds in crashes(after_the_lease(wreck), directory, act, seeds=1):
            counts.crash_points += 1
            for way, second in seconds.items():
                counts.directories += 1
                replies = replace(second, reply=wreck.reply or second.reply)
                where = f"{first}, then operation {point}, {way}"
                assert_once(replies, directory, act, counts, where)

    tally.keep("once, after two crashes", act.__name__, counts)
    assert counts.crash_points > 20


@each_way
@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("arrives", [True, False], ids=["answer lost", "request lost"])
def test_an_answer_of_the_lease_table_is_lost_and_the_effect_is_there_once(
    act: Act, *, lasting: bool, arrives: bool, start: Situation, directory: Path
) -> None:
    counts = Counts()
    for number in range(1, 100):
        lost = LostAnswers(number, arrives=arrives, lasting=lasting)
        reply = None
        with machine_in(start, directory) as machine:
            with closing(machine.start(lost=lost)) as instance:
                try:
                    reply = act(instance)
                except (StorageError, AssertionError):
                    assert lost.lost > 0
            after = undisturbed_state(machine, directory, reply)
        assert_once(after, directory, act, counts, f"lease call {number}")
        if not lost.lost:
            break
        counts.answers_lost += 1

    name = f"{act.__name__}, {'answer' if arrives else 'request'}, {lasting=}"
    tally.keep("once, after a lost answer of the lease table", name, counts)
    assert counts.answers_lost >= 2


def undisturbed_state(machine: Any, directory: Path, reply: Any) -> Situation:
    from tests.faults.disk import image_of

    return Situation(image_of(directory), machine.leases, machine.time.now_s, reply)


def assert_once(wreck: Situation, directory: Path, act: Act, counts: Counts, where: str) -> None:
    """Ask twice more, as a caller or a queue does: one effect, and one reply for all."""
    with machine_in(after_the_lease(wreck), directory) as machine:
        with closing(machine.start()) as instance:
            there_before = instance.ask(query="SELECT * FROM counter")["rows"] == [[1]]
            counts.replayed += there_before
            reply = act(instance)
        with closing(machine.start()) as another:
            assert act(another) == reply, where
            counter = another.ask(query="SELECT * FROM counter")["rows"]
            drawn = another.ask(query="SELECT * FROM drawn")["rows"]
        assert machine.leases == [], f"{where}: a lease is left"
    assert counter == [[1]], f"{where}: not once: {counter}"
    assert len(drawn) == 1, f"{where}: not once: {drawn}"
    if act is ask:
        assert reply["results"][1]["rows"] == drawn, f"{where}: another reply than the first"
    if wreck.reply is not None:
        assert there_before, f"{where}: acknowledged, and not there"
        assert reply == wreck.reply, f"{where}: another reply than the first"


def _asking(request: dict[str, Any]) -> Callable[[Instance], Any]:
    return lambda instance: instance.ask(**request)
