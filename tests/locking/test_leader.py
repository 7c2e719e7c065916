"""Candidates on clocks of their own, which begin anywhere and are set as they like."""

import random
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from locking.clock import Clock
from locking.leader import GRACE_S, Candidate, Term, hand_over
from locking.lease import TableUnavailable

DURATION_S = 10.0
SPEED = 0.0004
"""How much faster or slower a clock may run."""


@dataclass
class World:
    """True time, and the table, which loses requests and answers when it is told to."""

    now_s: float = 1_000.0
    stands: dict[str, Term] = field(default_factory=dict)
    lose: list[str] = field(default_factory=list)

    def leader(self, cluster: str) -> Term | None:
        if self._fate() != "":
            raise TableUnavailable("lost")
        return self.stands.get(cluster)

    def put_leader(self, cluster: str, term: Term, seen: Term | None) -> bool:
        fate = self._fate()
        if fate == "request":
            raise TableUnavailable("the request was lost")
        stands = self.stands.get(cluster)
        is_put = (stands and stands.version) == (seen and seen.version)
        if is_put:
            self.stands[cluster] = term
        if fate == "answer":
            raise TableUnavailable("the answer was lost")
        return is_put

    def close(self) -> None:
        pass

    def _fate(self) -> str:
        return self.lose.pop(0) if self.lose else ""


@dataclass
class Machine:
    """A machine with its two clocks, and the candidate on it."""

    world: World
    name: str
    set_by_s: float = 0.0
    started_s: float = 0.0
    speed: float = 1.0
    kind: type[Candidate] = Candidate

    def __post_init__(self) -> None:
        clock = Clock(now=lambda: self.world.now_s + self.set_by_s, boot=self.boot)
        self.candidate = self.kind(
            self.world, "nodes", f"https://{self.name}", duration_s=DURATION_S, clock=clock
        )

    def boot(self) -> float:
        return (self.world.now_s - self.started_s) * self.speed

    @property
    def leads(self) -> bool:
        return self.boot() < self.candidate.until_s


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def one(world: World) -> Machine:
    return Machine(world, "one")


@pytest.fixture
def other(world: World) -> Machine:
    return Machine(world, "other", set_by_s=3_600.0, started_s=-77_777.0)


def test_the_first_leads_and_the_other_looks_on(world: World, one: Machine, other: Machine) -> None:
    one.candidate.step()
    other.candidate.step()

    assert (one.leads, other.leads) == (True, False)
    assert other.candidate.seen == world.stands["nodes"]
    assert world.stands["nodes"].node == "https://one"


def test_a_leader_that_steps_goes_on_leading_in_its_term(world: World, one: Machine) -> None:
    for _step in range(100):
        one.candidate.step()
        assert one.leads
        world.now_s += one.candidate.poll_s

    assert world.stands["nodes"].number == 1


def test_a_term_is_renewed_once_a_third_of_it_is_over(world: World, one: Machine) -> None:
    one.candidate.step()
    first = world.stands["nodes"].version
    world.now_s += DURATION_S / 3 - 0.01
    one.candidate.step()
    assert world.stands["nodes"].version == first
    world.now_s += 0.02
    one.candidate.step()
    assert world.stands["nodes"].version != first


def test_another_takes_over_when_it_has_seen_the_term_stand_for_as_long(
    world: World, one: Machine, other: Machine
) -> None:
    one.candidate.step()
    other.candidate.step()
    world.now_s += DURATION_S + GRACE_S
    other.candidate.step()
    assert not other.leads

    world.now_s += 0.01
    other.candidate.step()
    assert (one.leads, other.leads) == (False, True)
    assert world.stands["nodes"].number == 2


def test_an_answer_that_was_lost_is_known_again(world: World, one: Machine) -> None:
    world.lose = ["", "answer"]
    with pytest.raises(TableUnavailable):
        one.candidate.step()
    assert not one.leads

    world.now_s += 1
    one.candidate.step()
    assert one.leads
    assert one.candidate.until_s == one.boot() - 1 + DURATION_S


def test_a_term_that_ran_out_and_that_nobody_took_is_followed_by_another_of_the_same_node(
    world: World, one: Machine
) -> None:
    one.candidate.step()
    world.now_s += DURATION_S + 0.01
    assert not one.leads

    one.candidate.step()
    assert one.leads
    assert world.stands["nodes"].number == 2


def test_a_node_without_a_url_never_leads(world: World) -> None:
    machine = Machine(world, "")
    machine.candidate._node = ""
    machine.candidate.step()
    assert not machine.leads
    assert world.stands == {}


def test_a_term_is_handed_over_to_the_node_that_was_named(
    world: World, one: Machine, other: Machine
) -> None:
    third = Machine(world, "third")
    one.candidate.step()
    version = world.stands["nodes"].version

    assert hand_over(world, "nodes", version, "https://other", now=lambda: 0.0)
    assert not hand_over(world, "nodes", version, "https://other", now=lambda: 0.0)
    for machine in (third, one, other):
        machine.candidate.step()

    assert (one.leads, other.leads, third.leads) == (False, True, False)
    assert world.stands["nodes"].number == 2
    assert not world.stands["nodes"].offered


def test_a_term_that_was_given_up_is_taken_at_once_by_who_may(
    world: World, one: Machine, other: Machine
) -> None:
    one.candidate.step()
    hand_over(world, "nodes", world.stands["nodes"].version, "", now=lambda: 0.0)
    one.candidate.step(may_take=False)
    other.candidate.step()

    assert (one.leads, other.leads) == (False, True)


def test_who_was_offered_the_term_and_does_not_come_is_waited_for_as_long_as_a_term(
    world: World, one: Machine
) -> None:
    one.candidate.step()
    hand_over(world, "nodes", world.stands["nodes"].version, "https://gone", now=lambda: 0.0)
    one.candidate.step()
    world.now_s += DURATION_S
    one.candidate.step()
    assert not one.leads
    world.now_s += 1
    one.candidate.step()
    assert one.leads


class ByTheWallClock(Candidate):
    """A candidate that believes the time that is written in the table."""

    def _is_over(self, now_s: float) -> bool:
        if self.seen is None:
            return True
        return self.clock.now() > self.seen.renewed_s + self.seen.duration_s + 1


def _run(seed: int, kind: type[Candidate]) -> tuple[int, int]:
    """Run three machines, of which some freeze, or are cut off, and whose clocks are set.

    Returns the number of moments at which two led, and that of the last term.
    """
    chance = random.Random(seed)
    world = World()
    machines = [
        Machine(
            world,
            str(number),
            set_by_s=chance.choice([0.0, 3_600.0, -3_600.0]),
            started_s=chance.uniform(-1e6, 0),
            speed=1 + chance.uniform(-SPEED, SPEED),
            kind=kind,
        )
        for number in range(3)
    ]
    frozen_until_s = dict.fromkeys(range(3), 0.0)
    bad = 0
    for _tick in range(600):
        world.now_s += chance.uniform(0.05, 0.6)
        number = chance.randrange(3)
        machine = machines[number]
        if chance.random() < 0.02:
            frozen_until_s[number] = world.now_s + chance.uniform(1, 2 * DURATION_S)
        if chance.random() < 0.02:
            machine.set_by_s += chance.choice([-3_600.0, 3_600.0])
        if frozen_until_s[number] < world.now_s:
            world.lose = [chance.choice(["", "", "", "request", "answer"]) for _call in range(2)]
            with suppress(TableUnavailable):
                machine.candidate.step()
        bad += sum(each.leads for each in machines) > 1
    return bad, world.stands["nodes"].number


def test_no_two_lead_at_once_however_their_clocks_are_set() -> None:
    runs = [_run(seed, Candidate) for seed in range(40)]
    assert sum(bad for bad, _terms in runs) == 0
    assert sum(terms for _bad, terms in runs) > 100


def test_a_lease_that_is_judged_by_the_wall_clock_is_caught() -> None:
    assert sum(_run(seed, ByTheWallClock)[0] for seed in range(10)) > 0
