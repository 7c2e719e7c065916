"""How old a state a node answers with."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel.errors import Timeout
from storage.engine import Freshness, Position
from storage.follower.engine import Follower, follower
from storage.log.replica import Replica
from tests.storage.follower.leaders import Leader, copies_of, rows, write
from tests.storage.log.logs import OURS

HOUR_S = 3600.0


@pytest.fixture
def node(leader: Leader, tmp_path: Path) -> Iterator[Follower]:
    with _node(leader, tmp_path) as node:
        yield node


def _node(leader: Leader, tmp_path: Path) -> "closing[Follower]":
    return closing(follower([leader.url], "", copies_of(tmp_path, "node"), max_age_s=HOUR_S))


def test_a_read_asks_only_if_its_state_may_be_too_old(leader: Leader, node: Follower) -> None:
    with (
        closing(leader.store()) as ours,
        closing(node.open("main", table=OURS, now=time.time)) as (theirs),
    ):
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        write(ours, "INSERT INTO t VALUES (2)")
        leader.asked.clear()
        assert rows(theirs) == [1]
        assert leader.asked == []
        theirs.snapshot(time.time() + 10, Freshness(max_age_s=0.0))
        assert len(leader.asked) == 1
        assert rows(theirs) == [1, 2]


def test_a_read_sees_what_callers_of_this_machine_were_told(
    leader: Leader, node: Follower, tmp_path: Path
) -> None:
    with (
        closing(leader.store()) as ours,
        closing(node.open("main", table=OURS, now=time.time)) as (theirs),
    ):
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        position = write(ours, "INSERT INTO t VALUES (2)")
        with _node(leader, tmp_path) as other:  # of another process
            other.saw("main", Position(position))
        assert rows(theirs) == [1, 2]


def test_what_a_caller_is_told_while_a_read_catches_up_is_seen_by_the_next(
    leader: Leader, node: Follower
) -> None:
    catch_up = Replica.catch_up

    def meanwhile(replica: Replica, deadline_s: float) -> None:
        catch_up(replica, deadline_s)
        patch.undo()
        node.saw("main", Position(write(ours, "INSERT INTO t VALUES (3)")))

    with (
        closing(leader.store()) as ours,
        closing(node.open("main", table=OURS, now=time.time)) as (theirs),
        pytest.MonkeyPatch.context() as patch,
    ):
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        node.saw("main", Position(write(ours, "INSERT INTO t VALUES (2)")))
        patch.setattr(Replica, "catch_up", meanwhile)
        assert rows(theirs) == [1, 2]
        assert rows(theirs) == [1, 2, 3]


def test_a_position_that_does_not_come_is_told(leader: Leader, node: Follower) -> None:
    with (
        closing(leader.store()) as ours,
        closing(node.open("main", table=OURS, now=time.time)) as (theirs),
    ):
        write(ours, "CREATE TABLE t (n)")
        with pytest.raises(Timeout, match="did not reach position"):
            theirs.snapshot(time.time() + 0.2, Freshness(at_least=Position(9)))
