"""Watch and See at a node that leads, and at one that follows it."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.console.conftest import Open
from tests.console.test_access import checked
from tests.dynamodb_server import CREDENTIALS
from tests.handler.two_nodes import Node, following, leading

LEADER = "https://node1.example.com"


def page_at(node: Node) -> str:
    return f"{node.url}/console#token={node.token}"


def written(node: Node, database: str) -> str:
    """Write to a database by way of a node, which then has a copy; return its position."""
    with node.client(database) as client:
        client.execute("CREATE TABLE t (n INTEGER)")
        position = client.execute("INSERT INTO t VALUES (1)").meta["position"]
        assert client.query("SELECT n FROM t").meta["position"] == position
    return str(position)


def test_each_node_says_its_role_and_one_that_follows_how_far_it_is_behind(
    opened: Open, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        by_lease = {"SQLATCH_LEADER": "lease:shop", "SQLATCH_NODE": LEADER}
        away = stack.enter_context(ExitStack())
        leader = away.enter_context(leading(tmp_path, **by_lease))
        node = stack.enter_context(following(leader, tmp_path))
        positions = {database: written(node, database) for database in ("books", "films")}

        page = opened("&view=watch", at=page_at(leader))
        page.get_by_text("role: leader").wait_for()
        page.get_by_text(f"leader: {LEADER}").wait_for()
        page.get_by_text("term 1").wait_for()
        page.get_by_text("since ").last.wait_for()
        assert page.locator("table.copies").count() == 0

        page = opened("&view=watch", at=page_at(node))
        page.get_by_text("role: follower").wait_for()
        page.get_by_text(f"leader: {leader.url}").wait_for()
        copies = page.locator("table.copies tbody tr")
        copies.nth(1).wait_for()
        for (name, position), row in zip(positions.items(), copies.all(), strict=True):
            texts = row.locator("td").all_text_contents()
            assert texts[:2] == [name, position]
            assert int(texts[2]) >= 1
            assert texts[3:] == ["0", "0.0 ms", "none"]
        checked(page, "nodes")
        page.get_by_role("button", name="See", exact=True).click()
        page.get_by_role("navigation", name="In this database").get_by_text("films").click()
        page.get_by_role("heading", name="films").wait_for()
        checked(page, "databases")

        away.close()
        page.get_by_role("button", name="Watch").click()
        page.reload()
        copies.nth(1).wait_for()
        for row in copies.all():
            texts = row.locator("td").all_text_contents()
            assert texts[3:5] == ["not known", "not known"]
            assert leader.url in texts[5]
        # Only the leader knows the sizes.
        names = page.get_by_label("Database", exact=True).locator("option").all_text_contents()
        assert names == ["books", "films"]
        checked(page, "nodes-away")


def without_role(route: Any) -> None:
    """Answer as a node does that cannot read what it knows of the leader."""
    told = route.fetch().json()
    failure = "the directory of the copies: Input/output error"
    told["health"] |= {"role": None, "leader": None, "failure": failure}
    route.fulfill(json=told)


def test_a_node_that_follows_by_lease_and_one_that_cannot_know_who_leads(
    opened: Open, tmp_path: Path
) -> None:
    (tmp_path / "copies").mkdir()
    cluster = {"SQLATCH_LEADER": "lease:shop", "SQLATCH_COPIES": f"{tmp_path}/copies"}
    other = cluster | {"SQLATCH_NODE": "https://node2.example.com"}
    first_cluster = {"SQLATCH_LEADER": "lease:shop", "SQLATCH_NODE": LEADER}
    with leading(tmp_path, **first_cluster) as first:
        written(first, "books")
        with leading(tmp_path, **other) as second:
            page = opened("&view=watch", at=page_at(second))
            page.get_by_text("role: follower").wait_for()
            page.get_by_text(f"leader: {LEADER}").wait_for()
            page.get_by_text("term 1").wait_for()

        # Nobody listens on port 1, where its table is said to be.
        away = CREDENTIALS | {
            "SQLATCH_LEASES": "dynamodb:leases",
            "AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1",
        }
        with leading(tmp_path, **other, **away) as third:
            page = opened("&view=watch", at=page_at(third))
            page.get_by_text("role: follower").wait_for()
            page.get_by_text("leader: not known").wait_for()
            page.locator("p.problem", has_text="the lease table does not answer").wait_for()

            page.route("**/console/watch", without_role)
            page.reload()
            page.get_by_text("role: not known").wait_for()
            page.get_by_text("the directory of the copies: Input/output error").wait_for()
            checked(page, "nodes-not-known")
