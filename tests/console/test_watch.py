"""Watch: what goes on in the service; and the walk from the link to a missing index."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.tables import QUESTIONS
from tests.console.conftest import Open, screen, served, status

BY_PLANE = "SELECT * FROM flights WHERE tailnum = :plane ORDER BY time_hour"
LOOKS = 60
"""So many that their time together is the most, though each is short."""


def ask(link: str, **fields: object) -> None:
    """Ask as a program does."""
    url, _hash, token = link.partition("/console#token=")
    body = json.dumps({"database": "flights", **fields}).encode()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{url}/query", body, headers)) as answer:
        assert answer.status == 200


@pytest.fixture
def fresh(databases: Path, tmp_path: Path) -> Iterator[str]:
    """Return the link of a server that has counted nothing yet."""
    with (tmp_path / "log").open("w") as log, served(databases, log) as link:
        yield link


def test_from_the_link_to_the_slowest_query_and_its_missing_index(opened: Open, fresh: str) -> None:
    """A program has asked the questions of the demo, and for the flights of a plane now and then.

    Whoever opens the link then needs three clicks and two names that stand on the page.
    """
    for question in QUESTIONS:
        if question.refused_as is None:
            ask(fresh, query=question.query, **question.fields)
    for number in range(LOOKS):
        ask(fresh, query=BY_PLANE, parameters={"plane": f"N{number}"})

    page = opened(at=fresh)
    page.get_by_role("button", name="Watch").click()
    slowest = page.locator("table.statements tbody tr").first
    slowest.get_by_text("WHERE tailnum = ?").wait_for()
    screen(page, "walk-1-watch")
    slowest.get_by_role("button", name="Explain").click()
    page.get_by_text("CREATE INDEX flights_by_tailnum ON flights (tailnum)").wait_for()
    screen(page, "walk-2-plan")
    page.get_by_role("button", name="Create it…").click()
    page.get_by_role("button", name="Write").click()

    status(page, "0 rows affected")
    page.get_by_role("button", name="Watch").click()
    slowest.get_by_role("button", name="Explain").click()
    page.locator(".plan-node.good", has_text="flights_by_tailnum").wait_for()
    screen(page, "walk-3-after")
    ask(fresh, query="DROP INDEX flights_by_tailnum")
