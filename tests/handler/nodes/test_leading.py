"""A leader: named by a setting, or by a lease that another node takes over when it is gone."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from handler.nodes.leading import Leading
from handler.record import Record
from handler.settings import Settings
from locking.clock import Clock
from locking.tables import Table, open_table
from sqlatch import dbapi
from sqlatch.errors import LeaderUnreachable
from storage.nodes import ForLeader
from tests.handler.leaders import Member, cluster, until

ONE, OTHER = "https://one", "https://other"


@pytest.fixture(scope="module")
def members(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Member]]:
    with cluster(tmp_path_factory.mktemp("nodes"), "ab") as members:
        yield members


def _leader(members: list[Member]) -> Member:
    """The member that leads by what all that run say, once it is one of these."""

    def agreed() -> Member | None:
        said = set()
        running = [member for member in members if member.process is not None]
        for member in running:
            with member.client() as client:
                said.add(client.leader()["leader"])
        return next((each for each in running if {each.url} == said), None)

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
            health = client.health()
            assert health["role"] == ("leader" if member is leader else "follower")
            assert (health["leader"], health["status"]) == (leader.url, "ok")
    writers = {
        member.name
        for member in members
        for line in member.lines()
        if line.get("kind") == "write" and line.get("database") == "main"
    }
    assert writers == {leader.name}


def test_each_member_says_in_its_health_who_leads(members: list[Member]) -> None:
    leader = _leader(members)
    for member in members:
        with member.client() as client:
            said = client.health()
        assert said["role"] == ("leader" if member is leader else "follower")
        assert said["leader"] == leader.url
        assert said["term"] > 0
        assert said["since"] <= said["until"]


def test_the_leader_is_moved_by_hand_and_back(members: list[Member]) -> None:
    leader = _leader(members)
    other = next(member for member in members if member is not leader)
    with other.client() as client:
        assert client.move_leader(other.url)["leader"] == other.url
        assert _leader(members) is other
        term = client.leader()["term"]
        client.move_leader()
        assert _leader(members) is leader
        assert client.leader()["term"] == term + 2  # given up, and taken


def test_a_transaction_of_a_libsql_client_is_committed_by_the_leader(
    members: list[Member],
) -> None:
    leader = _leader(members)
    other = next(member for member in members if member is not leader)
    with closing(dbapi.connect(f"{other.url}/libsql/", token=other.token)) as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE t (n)")
        connection.commit()
        cursor.execute("INSERT INTO t VALUES (1)")
        cursor.execute("SELECT max(n) FROM t")
        highest = cursor.fetchall()[0][0]
        with leader.client() as client:
            client.move_leader(other.url)
        cursor.execute("INSERT INTO t VALUES (?)", [highest + 1])
        connection.commit()
        assert cursor.execute("SELECT n FROM t ORDER BY n").fetchall() == [(1,), (2,)]
    with leader.client("libsql") as client:
        assert client.query("SELECT count(*) FROM t").rows == [(2,)]
    assert _leader(members) is other


def test_a_leader_that_ends_leaves_the_lease_to_another(members: list[Member]) -> None:
    leader = _leader(members)
    with leader.client() as client:
        term = client.leader()["term"]
    leader.end()
    following = _leader(members)
    with following.client() as client:
        assert client.leader()["term"] == term + 2  # given up, and taken
    leader.start()
