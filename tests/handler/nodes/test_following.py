"""A node that follows another one: reads are its own, all else goes to the leader and back."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import urllib3

from handler.nodes.following import answer as answer_log
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from sqlatch import dbapi
from sqlatch.client import Client
from sqlatch.dbapi.stream import stmt_of
from sqlatch.errors import Constraint, DatabaseNotFound, LeaderUnreachable, StatementError
from sqlatch.tokens import new_key, sign
from tests.handler.two_nodes import Node, following, leading


@pytest.fixture(scope="module")
def leader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with leading(tmp_path_factory.mktemp("leader")) as node:
        yield node


@pytest.fixture(scope="module")
def node(leader: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with following(leader, tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture
def ours(leader: Node, request: pytest.FixtureRequest) -> Iterator[Client]:
    with leader.client(_database(request)) as client:
        client.execute("CREATE TABLE t (n INTEGER UNIQUE)")
        yield client


@pytest.fixture
def theirs(node: Node, ours: Client, request: pytest.FixtureRequest) -> Iterator[Client]:
    with node.client(_database(request)) as client:
        yield client


def test_a_write_at_the_node_is_one_of_the_leader_and_is_read_at_once(
    ours: Client, theirs: Client
) -> None:
    written = theirs.execute("INSERT INTO t VALUES (1)")
    assert written.meta["wrote"]
    assert theirs.query("SELECT n FROM t").rows == [(1,)]
    assert ours.query("SELECT n FROM t").rows == [(1,)]


def test_every_process_of_the_node_reads_what_one_of_them_sent_on(
    ours: Client, theirs: Client
) -> None:
    for n in range(20):
        theirs.execute("INSERT INTO t VALUES (?)", [n])
        for _process in range(3):
            assert theirs.query("SELECT count(*) FROM t").rows == [(n + 1,)]


def test_a_caller_who_goes_from_node_to_node_sees_its_writes(ours: Client, theirs: Client) -> None:
    for n in range(20):
        position = ours.execute("INSERT INTO t VALUES (?)", [n]).meta["position"]
        read = theirs.query("SELECT count(*) FROM t", at_least=position)
        assert read.rows == [(n + 1,)]


def test_errors_of_the_leader_come_back(ours: Client, theirs: Client) -> None:
    theirs.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(Constraint, match="UNIQUE"):
        theirs.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(StatementError):
        theirs.execute("INSERT INTO none VALUES (1)")
    with pytest.raises(StatementError):
        theirs.query("SELECT * FROM none")


def test_a_write_with_a_key_is_done_once_whichever_node_it_is_sent_to(
    ours: Client, theirs: Client
) -> None:
    for client in (theirs, ours, theirs):
        client.execute("INSERT INTO t VALUES (1)", idempotency_key="once")
    assert theirs.query("SELECT n FROM t").rows == [(1,)]


def test_a_database_is_made_by_a_write_at_the_node(node: Node, leader: Node) -> None:
    with node.client("new") as theirs, leader.client("new") as ours:
        with pytest.raises(DatabaseNotFound):
            theirs.query("SELECT 1")
        theirs.execute("CREATE TABLE t (n)")
        assert theirs.query("SELECT count(*) FROM t").rows == [(0,)]
        assert ours.query("SELECT count(*) FROM t").rows == [(0,)]


def test_requests_about_a_database_as_a_whole_go_to_the_leader(
    ours: Client, theirs: Client, leader: Node
) -> None:
    position = theirs.execute("INSERT INTO t VALUES (1)").meta["position"]
    theirs.execute("DELETE FROM t")
    assert [commit.position for commit in theirs.history(most=2)][1] == position
    assert theirs.query("SELECT n FROM t", at=position).rows == [(1,)]
    theirs.branch("a-branch", at=position)
    with leader.client("a-branch") as branch:
        assert branch.query("SELECT n FROM t").rows == [(1,)]


def test_a_connection_of_dbapi_tells_a_position_and_asks_for_one(
    ours: Client, theirs: Client, leader: Node, node: Node, request: pytest.FixtureRequest
) -> None:
    with closing(_dbapi(leader, request)) as here, closing(_dbapi(node, request)) as there:
        for n in range(5):
            here.execute("INSERT INTO t VALUES (?)", [n])
            here.commit()
            there.at_least = here.position
            assert there.execute("SELECT count(*) FROM t").fetchall() == [(n + 1,)]
            assert str(there.position) >= str(here.position)
            there.rollback()


def test_libsql_reads_are_the_nodes_own_and_writes_the_leaders(
    ours: Client, theirs: Client, node: Node, request: pytest.FixtureRequest
) -> None:
    with closing(_dbapi(node, request)) as connection:
        cursor = connection.cursor()
        cursor.execute("INSERT INTO t VALUES (1)")
        connection.commit()
        assert cursor.execute("SELECT n FROM t").fetchall() == [(1,)]
        cursor.execute("INSERT INTO t VALUES (2)")
        connection.rollback()
        assert cursor.execute("SELECT n FROM t").fetchall() == [(1,)]
        cursor.execute("SELECT max(n) FROM t")
        (highest,) = cursor.fetchone()
        cursor.execute("INSERT INTO t VALUES (?)", [highest + 1])
        connection.commit()
    assert ours.query("SELECT n FROM t ORDER BY n").rows == [(1,), (2,)]


def test_a_transaction_may_go_on_at_another_node(
    ours: Client, leader: Node, node: Node, request: pytest.FixtureRequest
) -> None:
    with closing(_dbapi(node, request)) as one, closing(_dbapi(leader, request)) as other:
        cursor = one.cursor()
        cursor.execute("SELECT count(*) FROM t")
        cursor.execute("INSERT INTO t VALUES (1)")
        stream = one._stream
        other._stream.move_to(stream.baton, in_transaction=stream.in_transaction)
        other._stream.run(stmt_of("COMMIT"))
    assert ours.query("SELECT n FROM t").rows == [(1,)]


@pytest.mark.parametrize("path", ["/-/log", "/-/log/main", "/-/log/main/files", "/-/log/.key"])
def test_a_log_needs_a_token(leader: Node, path: str) -> None:
    for headers, status in (
        ({}, 401),
        ({"authorization": "Bearer none"}, 401),
        ({"authorization": f"Bearer {leader.token}"}, 200),
    ):
        answer = urllib3.request("GET", leader.url + path, headers=headers)
        assert answer.status == status


def test_a_path_below_the_log_that_is_none_is_not_found(leader: Node) -> None:
    headers = {"authorization": f"Bearer {leader.token}"}
    for method, path in (
        ("GET", "/-/log/main/other"),
        ("GET", "/-/log/MAIN"),
        ("GET", "/-/log/.keys"),
        ("POST", "/-/log/main"),
    ):
        assert urllib3.request(method, leader.url + path, headers=headers).status == 404, path


@pytest.mark.parametrize(
    ("access", "databases", "refused"),
    [
        ("rw", ["main"], {"/-/log", "/-/log/other", "/-/log/.key"}),
        ("ro", "*", {"/-/log", "/-/log/main", "/-/log/other", "/-/log/.key"}),
        ("rw", "*", set()),
    ],
)
def test_a_log_has_more_than_can_be_queried(
    access: Any, databases: Any, refused: set[str], tmp_path: Path
) -> None:
    """Of the gateway's routes that let everybody in too, and whatever the others ask for."""
    private, public = new_key()
    token = sign(private, access=access, databases=databases, lifetime_s=600)
    (tmp_path / "logs").mkdir()
    service = Service(
        Settings(log=f"directory:{tmp_path / 'logs'}", copies=tmp_path, token_keys=public)
    )
    for path in ("/-/log", "/-/log/main", "/-/log/other", "/-/log/.key"):
        for route in ("GET /{libsql+}", "$default"):
            event = {
                "routeKey": route,
                "rawPath": path,
                "headers": {"authorization": f"Bearer {token}"},
                "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default"},
            }
            record = Record(function_request_id="r", door="http")
            ends_at_s = service.clock.now() + 5
            answer = answer_log(service, event, record, ends_at_s=ends_at_s)
            assert (answer["statusCode"] == 401) == (path in refused), path
            del event["headers"]
            assert answer_log(service, event, record, ends_at_s=ends_at_s)["statusCode"] == 401
            # IAM decides at the route of its own.
            event["routeKey"] = "GET /-/log"
            assert answer_log(service, event, record, ends_at_s=ends_at_s)["statusCode"] == 200


def test_an_etag_of_one_node_is_known_to_the_others(
    ours: Client, theirs: Client, leader: Node, node: Node, request: pytest.FixtureRequest
) -> None:
    position = theirs.execute("INSERT INTO t VALUES (1)").meta["position"]

    def get(one: Node, known: str = "", **fields: str) -> urllib3.BaseHTTPResponse:
        fields |= {"query": "SELECT n FROM t", "database": _database(request)}
        headers = {"if-none-match": known, "authorization": f"Bearer {one.token}"}
        return urllib3.request("GET", f"{one.url}/read", fields=fields, headers=headers)

    first = get(node, at_least=position)
    etag = first.headers["etag"]
    again = [get(one, etag, at_least=position) for one in (leader, node)]
    past = get(node, at=position)  # which the node asks the leader for
    again.append(get(node, past.headers["etag"], at=position))
    theirs.execute("INSERT INTO t VALUES (2)")

    assert (first.json()["rows"], past.json()["rows"]) == ([[1]], [[1]])
    assert [(one.status, one.data) for one in again] == [(304, b"")] * 3
    assert "immutable" in again[-1].headers["cache-control"]
    assert get(node, etag).json()["rows"] == [[1], [2]]


def _database(request: pytest.FixtureRequest) -> str:
    return f"d{abs(hash(request.node.name))}"


def _dbapi(node: Node, request: pytest.FixtureRequest) -> Any:
    return dbapi.connect(f"{node.url}/{_database(request)}/", token=node.token)


def test_health_tells_the_role_and_the_lag(leader: Node, node: Node, ours: Client) -> None:
    name = ours.database
    with node.client(name) as theirs:
        position = theirs.execute("INSERT INTO t VALUES (1)").meta["position"]
        assert theirs.query("SELECT n FROM t").rows == [(1,)]
        said = theirs.health()
    assert (said["role"], said["leader"]) == ("follower", leader.url)
    (found,) = [each for each in said["databases"] if each["name"] == name]
    assert (found["position"], found["lag_records"], found["lag_ms"]) == (position, 0, 0)
    assert found["copies"] >= 1
    assert ours.health()["role"] == "leader"
    ours.execute("INSERT INTO t VALUES (2)")
    ours.execute("INSERT INTO t VALUES (3)")


def test_reads_say_how_old_their_state_may_be(theirs: Client) -> None:
    assert 0 <= theirs.query("SELECT n FROM t", max_age_ms=0).meta["age_ms"] < 10_000


def test_without_its_leader_a_node_reads_on_and_refuses_what_it_cannot_do(tmp_path: Path) -> None:
    with ExitStack() as alive:
        with leading(tmp_path) as leader:
            node = alive.enter_context(following(leader, tmp_path))
            with node.client() as theirs:
                theirs.execute("CREATE TABLE t (n)")
                theirs.execute("INSERT INTO t VALUES (1)")
                position = theirs.query("SELECT n FROM t").meta["position"]
        with node.client(timeout_s=3.0) as theirs:
            read = theirs.query("SELECT n FROM t")
            assert read.rows == [(1,)]
            assert read.meta["position"] == position
            refusals: list[Callable[[], object]] = [
                lambda: theirs.query("SELECT n FROM t", max_age_ms=0),
                lambda: theirs.query("SELECT n FROM t", at_least="00000000000000ff"),
                lambda: theirs.execute("INSERT INTO t VALUES (2)"),
            ]
            for refused in refusals:
                with pytest.raises(LeaderUnreachable) as unreachable:
                    refused()
                assert unreachable.value.leader == leader.url
            said = theirs.health()
        assert said["status"] == "degraded"
        (found,) = said["databases"]
        assert (found["position"], found["lag_records"]) == (position, None)
        assert found["failure"]
    # A node that is started before its leader is there again reads on as well.
    with following(leader, tmp_path) as again, again.client(timeout_s=5.0) as theirs:
        read = theirs.query("SELECT n FROM t")
    assert (read.rows, read.meta["age_ms"]) == ([(1,)], None)
