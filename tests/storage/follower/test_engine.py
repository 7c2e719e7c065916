"""A node that follows another one: what it reads, and what it leaves to the leader."""

import gc
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import LeaderUnreachable
from storage.engine import Freshness, Moment, Position
from storage.follower.engine import Follower, follower
from storage.follower.store import FollowerStore
from storage.log import compaction
from storage.nodes import ForLeader
from storage.translate import DatabaseReplaced
from tests.grants import granted
from tests.storage.follower.leaders import Leader, copies_of, leading, rows, write
from tests.storage.log.logs import OURS, fences


def test_a_commit_of_the_leader_is_read_at_the_node(leader: Leader, node: Follower) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        write(ours, "INSERT INTO t VALUES (2)")
        assert rows(theirs) == [1, 2]
        assert theirs.position == ours.position


def test_the_next_process_goes_on_with_the_copy(leader: Leader, tmp_path: Path) -> None:
    def read() -> list[Any]:
        with _following(leader, copies_of(tmp_path, "node")) as node, closing(_open(node)) as store:
            return rows(store)

    with closing(leader.store()) as ours:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert read() == [1]
        write(ours, "INSERT INTO t VALUES (2)")
        gc.collect()  # the slot of the copies is free
        leader.asked.clear()
        assert read() == [1, 2]
    assert all("after=0000000000000001" in asked for asked in leader.asked), "from where it stood"


def test_records_larger_than_an_answer_come_in_parts(leader: Leader, node: Follower) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (randomblob(9000000))")
        write(ours, "UPDATE t SET n = 7")
        assert rows(theirs) == [7]
    assert any("offset=" in asked for asked in leader.asked)


def test_a_copy_begins_with_a_snapshot_where_records_are_gone(
    leader: Leader, node: Follower, compacted: Callable[[], None]
) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        for n in range(2, 5):
            write(ours, f"INSERT INTO t VALUES ({n})")
        compacted()
        assert rows(theirs) == [1, 2, 3, 4]


def test_a_copy_that_could_not_begin_anew_does_not_say_that_there_is_no_database(
    leader: Leader, compacted: Callable[[], None], tmp_path: Path
) -> None:
    copies = copies_of(tmp_path, "node")
    with closing(leader.store()) as ours:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        with _following(leader, copies) as node, closing(_open(node)) as before:
            assert rows(before) == [1]
        write(ours, "INSERT INTO t VALUES (2)")
        write(ours, "INSERT INTO t VALUES (3)")
        compacted()
        gc.collect()  # the slot of the copies is free
        with _following(leader, copies) as node, closing(_open(node)) as theirs:
            leader.breaks_at = "/files/"
            for _read in range(2):
                with pytest.raises(LeaderUnreachable):
                    rows(theirs)
            leader.breaks_at = ""
            assert rows(theirs) == [1, 2, 3]


def test_a_large_snapshot_is_fetched_page_by_page(
    leader: Leader, node: Follower, compacted: Callable[[], None]
) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "CREATE TABLE big (b)", "INSERT INTO t VALUES (1)")
        write(
            ours,
            "INSERT INTO big WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c"
            " WHERE i < 20) SELECT randomblob(1000000) FROM c",
        )
        compacted()
        assert rows(theirs) == [1]
    parts = [asked for asked in leader.asked if "/files/" in asked]
    assert parts
    assert len(parts) < 10, "the blobs are not fetched"


def test_a_deletion_and_what_is_made_again_are_followed(leader: Leader, node: Follower) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        ours.remove(granted(fence=next(fences)), lambda _state: None)
        with pytest.raises(DatabaseReplaced):
            rows(theirs)
        assert not theirs.exists()
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (2)")
        assert rows(theirs) == [2]


def test_a_node_without_a_leader_says_so_or_reads_what_it_has(
    leader: Leader, node: Follower, tmp_path: Path
) -> None:
    with closing(leader.store()) as ours, closing(_open(node)) as theirs:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        assert rows(theirs) == [1]
        leader.is_away = True
        assert rows(theirs) == [1], "the state that is there, since no age was asked for"
        with pytest.raises(LeaderUnreachable):
            theirs.snapshot(time.time() + 1, Freshness(max_age_s=0.0))
        with pytest.raises(LeaderUnreachable):
            theirs.snapshot(time.time() + 1, Freshness(at_least=Position(2)))
        with (
            _following(leader, copies_of(tmp_path, "new")) as new,
            closing(_open(new)) as nothing,
            pytest.raises(LeaderUnreachable),
        ):
            rows(nothing)


def test_what_is_no_read_is_for_the_leader(node: Follower) -> None:
    with pytest.raises(ForLeader):
        node.add("other", Path("none"))
    with pytest.raises(ForLeader):
        node.history("main", before=None, most=1, deadline_s=0.0)
    with pytest.raises(ForLeader):
        node.branch("main", "other", None, 0.0)
    with closing(_open(node)) as theirs, pytest.raises(ForLeader):
        theirs.snapshot(time.time() + 1, Freshness(at=Moment(Position(1))))


def test_names_and_sizes_are_those_of_the_leader(leader: Leader, node: Follower) -> None:
    with closing(leader.store()) as ours:
        write(ours, "CREATE TABLE t (n)")
    assert node.sizes_bytes() == leader.engine.sizes_bytes()
    assert node.names() == ["main"]


def test_a_node_that_follows_a_follower_reads_the_same(
    leader: Leader, node: Follower, tmp_path: Path
) -> None:
    with closing(leader.store()) as ours, leading(node) as middle:
        write(ours, "CREATE TABLE t (n)", "INSERT INTO t VALUES (1)")
        copies = copies_of(tmp_path, "last")
        with _following(middle, copies) as last, closing(_open(last)) as theirs:
            assert rows(theirs) == [1]
            write(ours, "INSERT INTO t VALUES (2)")
            assert rows(theirs) == [1, 2]


def _following(leader: Leader, copies: Path) -> "closing[Follower]":
    return closing(follower([leader.url], "", copies, max_age_s=0.0))


def _open(node: Follower) -> FollowerStore:
    return node.open("main", table=OURS, now=time.time)


@pytest.fixture
def compacted(leader: Leader, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Merge the log into files, and remove every record that these have."""

    def compact() -> None:
        with closing(leader.store()) as ours:
            ours.recover(granted(fence=next(fences)))
        leader.engine.tend("main", time.time() + 60)
        monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -60)
        leader.engine.tend("main", time.time() + 60)

    return compact
