"""The process that keeps the lease tells the others of its node how it stands."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from handler.nodes.candidacy import Candidacy
from handler.nodes.leading import WRITES_S, Leading
from handler.record import Record
from handler.settings import Settings
from locking.clock import Clock
from locking.leader import Candidate, hand_over
from locking.tables import open_table
from sqlatch.kernel.errors import LeaderUnreachable, LeaseLost
from storage.nodes import ForLeader

CLUSTER = "nodes"
ONE, OTHER = "https://one", "https://other"
DURATION_S = 10.0


class Node:
    """The candidate of a node, and a worker of it, in one process."""

    def __init__(self, directory: Path, url: str, clock: Clock) -> None:
        settings = Settings(
            log=f"directory:{directory}",
            copies=directory,
            leases=f"sqlite:{directory / 'leases.sqlite'}",
            leader=f"lease:{CLUSTER}",
            node=url,
        )
        self.table = open_table(settings.leases)
        self.leading, self.worker = (
            Leading(settings, clock=clock, open_table=lambda: self.table) for _process in range(2)
        )
        candidate = Candidate(self.table, CLUSTER, url, duration_s=DURATION_S, clock=clock)
        self.candidacy = Candidacy(self.leading, candidate, CLUSTER)


@pytest.fixture
def time_s() -> list[float]:
    return [1_000.0]


@pytest.fixture
def while_waiting() -> list[Callable[[], None]]:
    """What happens while somebody waits, one thing each time."""
    return []


@pytest.fixture
def nodes(
    tmp_path: Path, time_s: list[float], while_waiting: list[Callable[[], None]]
) -> Iterator[tuple[Node, Node]]:
    clock = Clock(
        now=lambda: time_s[0] + 1.8e9,
        boot=lambda: time_s[0],
        sleep=lambda _seconds: while_waiting.pop(0)(),
    )
    nodes = Node(tmp_path, ONE, clock), Node(tmp_path, OTHER, clock)
    for node in nodes:
        node.candidacy.step()
    yield nodes
    for node in nodes:
        node.table.close()


def _record() -> Record:
    return Record("id", "direct")


def test_the_workers_of_a_node_write_or_send_on(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    record = _record()
    with one.worker.writing(record) as right:
        right.check()
    with pytest.raises(ForLeader), other.worker.writing(_record()):
        pass

    assert (right.term, record.term) == (1, 1)
    assert other.worker.url() == ONE
    assert other.worker.told() == {
        "role": "follower", "leader": ONE, "term": 1,
        "since": "2027-01-15T08:16:40.000Z", "until": "2027-01-15T08:16:50.000Z",
    }  # fmt: skip
    assert one.worker.told()["role"] == "leader"


def test_a_commit_behind_the_term_is_refused(nodes: tuple[Node, Node], time_s: list[float]) -> None:
    one, _other = nodes
    with one.worker.writing(_record()) as right:
        time_s[0] += DURATION_S
        with pytest.raises(LeaseLost, match="no longer leads: term 1 is over; nothing was writt"):
            right.check()


def test_a_commit_of_a_term_that_was_given_up_and_won_again_is_refused(
    nodes: tuple[Node, Node],
) -> None:
    one, other = nodes
    with one.worker.writing(_record()) as right:
        hand_over(one.table, CLUSTER, one.candidacy.candidate.seen.version, OTHER, now=lambda: 0.0)  # type: ignore[union-attr]
        other.candidacy.step()
        hand_over(one.table, CLUSTER, other.candidacy.candidate.seen.version, ONE, now=lambda: 0.0)  # type: ignore[union-attr]
        one.candidacy.step()
        assert one.worker.leads
        with pytest.raises(LeaseLost):
            right.check()


def test_a_request_that_has_written_is_not_sent_on(
    nodes: tuple[Node, Node], time_s: list[float]
) -> None:
    one, other = nodes
    record = _record()
    with one.worker.writing(record):
        pass
    time_s[0] += DURATION_S + 1
    other.candidacy.step()
    assert other.worker.leads
    with pytest.raises(LeaseLost), one.worker.writing(record):
        pass
    with pytest.raises(ForLeader), one.worker.writing(_record()):
        pass


def test_nobody_leads_from_the_end_of_a_term_until_the_next(
    nodes: tuple[Node, Node], time_s: list[float]
) -> None:
    one, _other = nodes
    time_s[0] += DURATION_S
    with pytest.raises(LeaderUnreachable) as nobody, one.worker.writing(_record()):
        pass
    assert nobody.value.facts == {"leader": "", "outcome": "nothing"}


def test_a_move_waits_for_running_writes_and_refuses_new_ones(
    nodes: tuple[Node, Node], while_waiting: list[Callable[[], None]]
) -> None:
    one, other = nodes
    running = ExitStack()
    right = running.enter_context(one.leading.writing(_record()))

    def look() -> None:
        right.check()
        with pytest.raises(LeaderUnreachable, match="handing over"), one.worker.writing(_record()):
            pass

    while_waiting += [look, look, running.close]
    one.worker.move(OTHER)
    assert while_waiting == []
    with pytest.raises(LeaseLost):
        right.check()

    other.candidacy.step()
    assert (one.worker.leads, other.worker.leads) == (False, True)
    with pytest.raises(ForLeader):
        one.worker.move(ONE)


def test_a_write_that_does_not_end_is_refused_its_commit(
    nodes: tuple[Node, Node], time_s: list[float], while_waiting: list[Callable[[], None]]
) -> None:
    one, _other = nodes

    def pass_time() -> None:
        time_s[0] += WRITES_S

    with one.leading.writing(_record()) as right:
        while_waiting.append(pass_time)
        one.worker.move(OTHER)
        with pytest.raises(LeaseLost):
            right.check()


def test_who_stepped_down_for_any_other_does_not_come_back_before_a_term(
    nodes: tuple[Node, Node], time_s: list[float]
) -> None:
    one, other = nodes
    one.worker.move("")
    one.candidacy.step()
    assert not one.worker.leads
    other.candidacy.step()
    assert other.worker.leads
    assert other.worker.told()["term"] == 3


def test_a_node_that_ends_gives_the_lease_back(nodes: tuple[Node, Node]) -> None:
    one, other = nodes
    one.candidacy.resign()
    assert not one.worker.leads
    other.candidacy.step()
    assert other.worker.leads
