"""Commits of a leader whose time is over: each is refused, and nothing of it is there."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from events.request import QueryEvent
from handler.nodes.candidacy import Candidacy
from handler.nodes.forward import ANSWER_S, _answered_by_s
from handler.reaper import reap
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from locking.clock import Clock
from locking.leader import Candidate
from locking.leases import Leases
from sqlatch.kernel.errors import LeaseLost
from storage.log.directory import DirectoryLog

DURATION_S = 10.0
AN_HOUR_S = 3_600.0
WITHIN_S = 60.0


class Node:
    """A node in this process, with its candidate. Its wall clock is `set_by_s` off."""

    def __init__(self, home: Path, name: str, time_s: list[float], set_by_s: float) -> None:
        self.clock = Clock(now=lambda: time_s[0] + set_by_s, boot=lambda: time_s[0])
        copies = home / name
        copies.mkdir()
        settings = Settings(
            log=f"directory:{home / 'logs'}",
            copies=copies,
            leases=f"sqlite:{home / 'leases.sqlite'}",
            leader="lease:nodes",
            node=f"https://{name}",
        )
        self.service = Service(settings, clock=self.clock)
        candidate = Candidate(
            self.service.leading.table,
            "nodes",
            settings.node,
            duration_s=DURATION_S,
            clock=self.clock,
        )
        self.candidacy = Candidacy(self.service.leading, candidate, "nodes")

    def ask(self, sql: str, **fields: Any) -> dict[str, Any]:
        event = QueryEvent(query=sql, **fields)
        ends_at_s = self.clock.now() + WITHIN_S
        return self.service.answer(event, Record("id", "direct"), ends_at_s=ends_at_s)

    def rows(self) -> list[Any]:
        rows: list[Any] = self.ask("SELECT n FROM t ORDER BY n")["rows"]
        return [n for (n,) in rows]


@pytest.fixture
def time_s() -> list[float]:
    return [1.8e9]


@pytest.fixture(params=[0.0, AN_HOUR_S, -AN_HOUR_S], ids=["in time", "ahead", "behind"])
def nodes(
    tmp_path: Path, time_s: list[float], request: pytest.FixtureRequest
) -> Iterator[tuple[Node, Node]]:
    """Two nodes, the first of which leads and has made a table; the clock of the other is set."""
    (tmp_path / "logs").mkdir()
    one = Node(tmp_path, "one", time_s, 0.0)
    other = Node(tmp_path, "other", time_s, request.param)
    for node in (one, other):
        node.candidacy.step()
    one.ask("CREATE TABLE t (n)")
    yield one, other
    for node in (one, other):
        node.service.close()
        node.service.leading.table.close()


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], None]]:
    """What happens while the next append is frozen, behind the last check."""
    acts = list[Callable[[], None]]()
    append = DirectoryLog.append

    def late(self: DirectoryLog, commit_id: bytes, content: bytes) -> None:
        if acts:
            acts.pop()()
        append(self, commit_id, content)

    monkeypatch.setattr(DirectoryLog, "append", late)
    return acts


def _taken_over(other: Node, time_s: list[float]) -> None:
    time_s[0] += DURATION_S + 1
    other.candidacy.step()
    assert other.service.leading.leads


def test_a_commit_that_was_frozen_behind_the_last_check_is_refused_by_the_log(
    nodes: tuple[Node, Node], time_s: list[float], frozen: list[Callable[[], None]]
) -> None:
    one, other = nodes

    def take_over() -> None:
        _taken_over(other, time_s)
        assert other.ask("INSERT INTO t VALUES (2)")["meta"]["lease_wait_ms"] < DURATION_S * 1000

    frozen.append(take_over)
    with pytest.raises(LeaseLost):
        one.ask("INSERT INTO t VALUES (1)", timeout_ms=30_000)
    assert other.rows() == one.rows() == [2]


def test_a_commit_behind_the_last_check_that_nobody_came_before_is_there(
    nodes: tuple[Node, Node], time_s: list[float], frozen: list[Callable[[], None]]
) -> None:
    one, other = nodes
    frozen.append(lambda: _taken_over(other, time_s))
    one.ask("INSERT INTO t VALUES (1)", timeout_ms=30_000)
    other.ask("INSERT INTO t VALUES (2)")
    assert other.rows() == one.rows() == [1, 2]


def test_a_commit_that_was_frozen_before_the_last_check_is_refused_by_it(
    nodes: tuple[Node, Node], time_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = nodes
    writing = one.service.databases.get("main").write

    def late(job: Any, grant: Any) -> Any:
        _taken_over(other, time_s)
        return writing(job, grant)

    monkeypatch.setattr(one.service.databases.get("main"), "write", late)
    with pytest.raises(LeaseLost, match="https://one no longer leads: term 1 is over"):
        one.ask("INSERT INTO t VALUES (1)", timeout_ms=30_000)
    assert other.rows() == []


def test_of_two_that_believe_to_lead_the_earlier_one_is_refused_by_the_lease_on_the_database(
    nodes: tuple[Node, Node], time_s: list[float]
) -> None:
    one, other = _both_lead(nodes, time_s)
    with pytest.raises(LeaseLost, match="term 2 has written to 'main', and this one is of term 1"):
        one.ask("INSERT INTO t VALUES (1)")
    assert other.rows() == [2]


def test_without_the_term_in_its_claim_the_earlier_one_writes_behind_the_later(
    nodes: tuple[Node, Node], time_s: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = Leases.hold
    monkeypatch.setattr(
        Leases, "hold", lambda self, *given, **named: hold(self, *given, **named | {"term": None})
    )
    one, other = _both_lead(nodes, time_s)
    one.ask("INSERT INTO t VALUES (1)")
    assert other.rows() == [1, 2]


def test_the_reaper_sees_to_the_databases_at_the_leader_alone(nodes: tuple[Node, Node]) -> None:
    reports = [
        reap(node.service, Record("id", "schedule"), ends_at_s=node.clock.now() + WITHIN_S)
        for node in nodes
    ]
    assert [(report["databases"], report["failures"]) for report in reports] == [(1, []), (0, [])]


def test_the_answer_of_a_leader_is_awaited_for_as_long_as_the_request_may_take(
    nodes: tuple[Node, Node],
) -> None:
    service, now_s = nodes[0].service, nodes[0].clock.now()
    for body, left_s in ((b'{"timeout_ms": 500}', 0.5), (b"[]", 10), (b"none", 10)):
        assert _answered_by_s(service, body, now_s + WITHIN_S) == now_s + left_s + ANSWER_S
    assert _answered_by_s(service, b"{}", now_s + 1) == now_s + 1


def _both_lead(nodes: tuple[Node, Node], time_s: list[float]) -> tuple[Node, Node]:
    """Have the other node lead and write, while the first believes that it still does."""
    one, other = nodes
    believed = one.service.leading.file.read()
    _taken_over(other, time_s)
    other.ask("INSERT INTO t VALUES (2)")
    ever_s = time_s[0] + AN_HOUR_S
    one.service.leading.file.write(replace(believed, until_boot_s=ever_s, until_s=ever_s))
    assert one.service.leading.leads
    return one, other
