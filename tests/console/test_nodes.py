"""Watch and See at a node that leads, and at one that follows it."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from tests.console.conftest import Open, screen
from tests.console.test_access import checked
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


NOT_KNOWN = "the directory of the copies: Input/output error"
NO_ANSWER = "the lease table does not answer: connection refused"
HEALTHS: list[tuple[dict[str, Any], list[str]]] = [
    (
        {"role": "follower", "leader": LEADER, "term": 7, "since": "2026-11-22T10:15:00.000Z"},
        ["role: follower", f"leader: {LEADER}", "term 7"],
    ),
    ({"role": "follower", "leader": None, "term": 7}, ["role: follower", "leader: none now"]),
    (
        {"role": "follower", "leader": None, "lease_table": {"ok": False, "error": NO_ANSWER}},
        ["role: follower", "leader: not known", NO_ANSWER],
    ),
    (
        {"role": None, "leader": None, "failure": NOT_KNOWN},
        ["role: not known", "leader: not known", NOT_KNOWN],
    ),
]


def told(changed: dict[str, Any], route: Any) -> None:
    """Answer as a service does whose health is another one."""
    said = route.fetch().json()
    route.fulfill(json={**said, "health": said["health"] | changed})


def test_what_the_health_says_of_a_leader_by_lease_is_shown_and_what_it_does_not_know(
    opened: Open,
) -> None:
    page = opened("&view=watch")
    for changed, texts in HEALTHS:
        page.route("**/console/watch", partial(told, changed))
        page.reload()
        for text in texts:
            page.get_by_text(text, exact=True).wait_for()
        page.unroute("**/console/watch")
    screen(page, "nodes-not-known-light")
