"""A leader: named by a setting, or by a lease that another node takes over when it is gone."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.leading import Leading
from handler.log import Record
from handler.settings import Settings
from locking.clock import Clock
from locking.tables import Table, open_table
from sqlatch.errors import LeaderUnreachable
from storage.nodes import ForLeader
from tests.handler.leaders import Member, cluster, until

ONE, OTHER = "https://one", "https://other"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Member]]:
    with cluster(tmp_path_factory.mktemp("nodes")) as members:
        yield members


def _leader(members: list[Member]) -> Member:
    """The member that leads by what all that run say."""

    def agreed() -> Member | None:
        said = set()
        for member in members:
            if member.process is not None:
                with member.client() as client:
                    said.add(client.leader()["leader"])
        return next((each for each in members if {each.url} == said), None)

    leader = until(agreed)
    assert leader is not None
    return leader


def _record() -> Record:
    return Record("id", "direct")


def _leading(tmp_path: Path, leader: str, node: str) -> tuple[Leading, Table]:
    made = Settings(
        log=f"directory:{tmp_path}",
        copies=tmp_path,
        leases=f"sqlite:{tmp_path / 'leases.sqlite'}",
        leader=leader,
        node=node,
    )
    table = open_table(made.leases)
    return Leading(made, clock=Clock(), open_table=lambda: table), table


def test_a_setting_names_the_node_that_leads(tmp_path: Path) -> None:
    leading, _table = _leading(tmp_path, ONE, ONE)
    with leading.writing(_record()) as right:
        right.check()
    other, _table = _leading(tmp_path, ONE, OTHER)
    with pytest.raises(ForLeader), other.writing(_record()):
        pass

    assert (leading.leads, other.leads) == (True, False)
    assert other.nodes().url == ONE
    assert other.told() == {"role": "follower", "leader": ONE}


def test_a_process_beside_no_server_asks_the_table_who_leads(tmp_path: Path) -> None:
    leading, table = _leading(tmp_path, "lease:nodes", OTHER)
    with pytest.raises(LeaderUnreachable, match="no node leads the cluster 'nodes'") as nobody:
        leading.url()
    assert nobody.value.outcome == "nothing"
    table.close()


def test_a_write_at_any_node_is_one_of_the_leader(members: list[Member]) -> None:
    leader = _leader(members)
    with leader.client() as client:
        client.execute("CREATE TABLE t (n INTEGER PRIMARY KEY)")
    for member in members:
        with member.client() as client:
            client.execute("INSERT INTO t VALUES (NULL)")
            assert client.query("SELECT count(*) FROM t").rows == [(members.index(member) + 1,)]
    writers = {
        member.name
        for member in members
        for line in member.lines()
        if line.get("kind") == "write" and line.get("database") == "main"
    }
    assert writers == {leader.name}


def test_the_leader_is_moved_by_hand_and_back(members: list[Member]) -> None:
    leader = _leader(members)
    other = next(member for member in members if member is not leader)
    third = next(member for member in members if member not in (leader, other))
    with third.client() as client:
        assert client.move_leader(other.url)["leader"] == other.url
    assert _leader(members) is other
    with other.client() as client:
        before = client.leader()
        client.move_leader()
    after = _leader(members)
    assert after is not other
    with after.client() as client:
        assert client.leader()["term"] >= before["term"] + 2


def test_a_leader_that_is_killed_is_followed_by_another_and_comes_back_as_a_follower(
    members: list[Member],
) -> None:
    leader = _leader(members)
    other = next(member for member in members if member is not leader)
    with leader.client("killed") as client:
        client.execute("CREATE TABLE t (n)")
    leader.kill()
    with other.client("killed") as client:
        client.execute("INSERT INTO t VALUES (1)", idempotency_key="once")
    leader.start()
    with leader.client("killed") as client:
        client.execute("INSERT INTO t VALUES (1)", idempotency_key="once")
        assert client.query("SELECT count(*) FROM t").rows == [(1,)]
    assert _leader(members) is not leader


def test_a_leader_that_ends_leaves_the_lease_to_another(members: list[Member]) -> None:
    leader = _leader(members)
    with leader.client() as client:
        term = client.leader()["term"]
    leader.end()
    following = _leader(members)
    with following.client() as client:
        assert client.leader()["term"] == term + 2  # given up, and taken
    leader.start()


def test_a_leader_that_was_frozen_for_longer_than_its_term_sends_writes_on(
    members: list[Member],
) -> None:
    leader = _leader(members)
    other = next(member for member in members if member is not leader)
    leader.signal(signal.SIGSTOP)
    with other.client() as client:
        until(lambda: client.leader()["leader"] not in (leader.url, None))
    leader.signal(signal.SIGCONT)
    with leader.client("thawed") as client:
        client.execute("CREATE TABLE t (n)")
    assert _leader(members) is not leader
    written = [line for line in leader.lines() if line.get("database") == "thawed"]
    assert {line["kind"] for line in written if "code" not in line} == {"forward"}
