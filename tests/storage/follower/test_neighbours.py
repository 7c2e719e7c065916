"""A new copy that begins with that of another process."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.errors import LeaderUnreachable
from storage.follower import neighbours
from storage.follower.engine import Follower, follower
from storage.follower.store import FollowerStore
from tests.storage.follower.leaders import Leader, copies_of, rows, write
from tests.storage.log.logs import OURS


def test_a_process_that_is_started_without_a_leader_reads_what_another_has(
    leader: Leader, node: Follower, tmp_path: Path
) -> None:
    _read_by(node, leader)
    leader.is_away = True
    with _other(leader, tmp_path) as other, closing(_open(other)) as theirs:
        assert rows(theirs) == [1]
        leader.is_away = False
        write(leader.store(), "INSERT INTO t VALUES (2)")
        leader.asked.clear()
        assert rows(theirs) == [1, 2]
    assert all("after=0000000000000001" in asked for asked in leader.asked)


def test_a_copy_that_is_too_large_or_torn_is_left_alone(
    leader: Leader, node: Follower, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _read_by(node, leader)
    leader.is_away = True
    monkeypatch.setattr(neighbours, "BYTES_MAX", 100)
    with (
        _other(leader, tmp_path) as other,
        closing(_open(other)) as theirs,
        pytest.raises(LeaderUnreachable),
    ):
        rows(theirs)
    monkeypatch.undo()
    node._replicas["main"]._bookmark.begin(7)
    with (
        _other(leader, tmp_path) as other,
        closing(_open(other)) as theirs,
        pytest.raises(LeaderUnreachable),
    ):
        rows(theirs)


def _read_by(node: Follower, leader: Leader) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]


def _other(leader: Leader, tmp_path: Path) -> "closing[Follower]":
    return closing(follower([leader.url], "", copies_of(tmp_path, "node"), max_age_s=0.0))


def _open(node: Follower) -> FollowerStore:
    return node.open("main", table=OURS, now=time.time)
