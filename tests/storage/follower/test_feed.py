"""Records that arrive while nobody asks."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from sqlatch.kernel.node import Nodes
from storage.follower import wire
from storage.follower.feed import Feed
from storage.follower.remote import RemoteLog, Upstream
from storage.log.log import Record
from tests.storage.follower.leaders import Leader, write

PATIENCE_S = 60


@pytest.fixture
def feed(leader: Leader) -> Iterator[Feed]:
    write(leader.store(), "CREATE TABLE t (n)")
    with (
        closing(Nodes([leader.url])) as nodes,
        closing(Feed(RemoteLog("main", Upstream(nodes)), 0.02)) as feed,
    ):
        yield feed


def arrived(feed: Feed, after: int) -> tuple[list[Record], float]:
    """Wait for something, and take it."""
    until_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < until_s:
        records, known_s = feed.take(after)
        if records and known_s is not None:
            return records, known_s
        time.sleep(0.001)
    raise AssertionError("nothing arrives")


def test_what_is_committed_arrives(leader: Leader, feed: Feed) -> None:
    store = leader.store()
    (first,), known_s = arrived(feed, 0)
    assert first.txid == 1
    assert known_s <= time.time()
    write(store, "INSERT INTO t VALUES (1)")
    (second,), _known_s = arrived(feed, 1)
    assert second.txid == 2


def test_a_copy_that_went_on_by_itself_gets_nothing_twice(leader: Leader, feed: Feed) -> None:
    store = leader.store()
    for n in range(3):
        write(store, f"INSERT INTO t VALUES ({n})")
    records, _known_s = arrived(feed, 2)
    assert [record.txid for record in records] == [3, 4][: len(records)]


def test_a_copy_that_begins_anew_is_followed_from_there(leader: Leader, feed: Feed) -> None:
    write(leader.store(), "INSERT INTO t VALUES (1)")
    arrived(feed, 0)
    records, _known_s = arrived(feed, 0)
    assert records[0].txid == 1


def test_a_leader_that_is_away_is_asked_again(leader: Leader, feed: Feed) -> None:
    arrived(feed, 0)
    leader.is_away = True
    until_s = time.monotonic() + PATIENCE_S
    while feed.failure is None and time.monotonic() < until_s:
        time.sleep(0.001)
    assert feed.take(1) == ([], None), "how old the copy is by now is not known"
    leader.is_away = False
    write(leader.store(), "INSERT INTO t VALUES (1)")
    assert arrived(feed, 1)[0][0].txid == 2


def test_a_leader_that_waits_less_than_it_was_asked_to_makes_no_state_newer(
    leader: Leader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "WAIT_S_MAX", 0.01)
    write(leader.store(), "CREATE TABLE t (n)")
    with (
        closing(Nodes([leader.url])) as nodes,
        closing(Feed(RemoteLog("main", Upstream(nodes)), PATIENCE_S)) as feed,
    ):
        _records, first_s = arrived(feed, 0)
        until_s = time.monotonic() + PATIENCE_S
        while (known_s := feed.take(1)[1]) in (None, first_s):
            assert time.monotonic() < until_s
        assert known_s is not None
        assert first_s < known_s <= time.time()
