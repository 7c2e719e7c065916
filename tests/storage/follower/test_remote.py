"""The log of another node as a log: what it returns, and what is no answer of a node."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from sqlatch.kernel.errors import LeaderUnreachable
from sqlatch.kernel.node import Nodes
from storage.follower.remote import RemoteLog, Upstream
from storage.log.log import Gone
from storage.nodes import ForLeader
from tests.storage.follower.leaders import Leader, write


@pytest.fixture
def log(leader: Leader) -> Iterator[Callable[[], RemoteLog]]:
    with closing(Nodes([leader.url])) as nodes:
        yield lambda: RemoteLog("main", Upstream(nodes))


def deadline() -> float:
    return time.time() + 10


def test_records_come_in_order_and_the_place_moves(
    leader: Leader, log: Callable[[], RemoteLog]
) -> None:
    store, remote = leader.store(), log()
    assert remote.sync(deadline()) == []
    write(store, "CREATE TABLE t (n)")
    write(store, "INSERT INTO t VALUES (1)")
    assert [record.txid for record in remote.sync(deadline())] == [1, 2]
    assert remote.place.txid == 2
    assert remote.sync(deadline()) == []
    assert remote.database_id


def test_a_question_waits_for_the_next_record(leader: Leader, log: Callable[[], RemoteLog]) -> None:
    store, remote = leader.store(), log()
    write(store, "CREATE TABLE t (n)")
    remote.sync(deadline())
    assert remote.wait(0.01, deadline()) == []
    write(store, "INSERT INTO t VALUES (1)")
    assert [record.txid for record in remote.wait(20, deadline())] == [2]


def test_nothing_is_appended(log: Callable[[], RemoteLog]) -> None:
    remote = log()
    for call in (
        lambda: remote.ready(0.0, fence=1, seal=False),
        lambda: remote.append(b"", b""),
        lambda: remote.replace(b""),
        lambda: remote.outcome(1, b"", 0.0),
    ):
        with pytest.raises(ForLeader):
            call()


def test_a_place_that_is_another_logs_is_gone(leader: Leader, log: Callable[[], RemoteLog]) -> None:
    write(leader.store(), "CREATE TABLE t (n)")
    remote = log()
    remote.sync(deadline())
    remote.database_id = bytes(16)
    with pytest.raises(Gone):
        remote.sync(deadline())


def test_a_server_that_is_no_node_is_named(leader: Leader) -> None:
    with closing(Nodes([f"{leader.url}/elsewhere"])) as nodes:
        remote = RemoteLog("main", Upstream(nodes))
        with pytest.raises(LeaderUnreachable, match="elsewhere"):
            remote.sync(deadline())


def test_a_node_that_is_away_is_named(leader: Leader, log: Callable[[], RemoteLog]) -> None:
    leader.is_away = True
    with pytest.raises(LeaderUnreachable, match=leader.url) as refused:
        log().sync(deadline())
    assert refused.value.leader == leader.url
    assert refused.value.retryable
