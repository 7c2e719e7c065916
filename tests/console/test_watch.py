"""Watch: what goes on in the service; and the walk from the link to a missing index."""

import json
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from examples.tables import QUESTIONS
from handler.settings import LEASES_FILE
from locking.clock import Clock
from locking.leases import Leases
from locking.sqlite import SQLiteTable
from tests.console.conftest import Open, run, screen, served, status

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


def milliseconds(text: str) -> float:
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000}[unit]


def test_from_the_link_to_the_slowest_query_and_its_missing_index(opened: Open, link: str) -> None:
    """A program has asked the questions of the demo, and for the flights of a plane now and then.

    Whoever opens the link then needs three clicks and two names that stand on the page.
    """
    for question in QUESTIONS:
        if question.refused_as is None:
            ask(link, query=question.query, **question.fields)
    for number in range(LOOKS):
        ask(link, query=BY_PLANE, parameters={"plane": f"N{number}"})

    page = opened()
    page.get_by_role("button", name="Watch").click()
    # Which statement is the slowest, a busy machine decides; that the first one is, the page.
    rows = page.locator("table.statements tbody tr")
    shape = BY_PLANE.replace(":plane", "?")
    slowest = rows.filter(has=page.get_by_text(shape, exact=True))
    slowest.wait_for()
    times_ms = [milliseconds(text) for text in rows.locator("td:first-child").all_text_contents()]
    assert times_ms == sorted(times_ms, reverse=True)
    screen(page, "walk-1-watch-light")
    slowest.get_by_role("button", name="Explain").click()
    page.get_by_text("CREATE INDEX flights_by_tailnum ON flights (tailnum)").wait_for()
    screen(page, "walk-2-plan-light")
    page.get_by_role("button", name="Create it…").click()
    page.get_by_role("button", name="Write").click()

    status(page, "0 rows affected")
    page.get_by_role("button", name="Watch").click()
    slowest.get_by_role("button", name="Explain").click()
    page.locator(".plan-node.good", has_text="flights_by_tailnum").wait_for()
    screen(page, "walk-3-after-light")
    ask(link, query="DROP INDEX flights_by_tailnum")


def test_a_writer_that_waits_for_a_lease_is_seen_as_long_as_it_waits(
    opened: Open, link: str, databases: Path
) -> None:
    clock = Clock()
    leases = Leases(SQLiteTable(databases / LEASES_FILE), clock=clock)
    page = opened("&view=watch")
    page.get_by_text("No writer waits now.").wait_for()
    with ThreadPoolExecutor(1) as thread:
        with leases.hold("flights", holder="another", deadline_s=clock.now() + 60):
            writer = thread.submit(ask, link, query="CREATE TABLE IF NOT EXISTS waited (a)")
            page.get_by_text("Waiting now: 1 writer for flights.").wait_for()
            page.get_by_role("cell", name="another").wait_for()
            screen(page, "waiting-light")
        writer.result()
    page.get_by_text("No writer waits now.").wait_for()
    ask(link, query="DROP TABLE waited")
    leases.close()


def test_a_database_in_a_log_is_read_as_it_was_and_branched_from(
    opened: Open, tmp_path: Path
) -> None:
    with (
        (tmp_path / "log").open("w") as log,
        served(tmp_path, log, options=["--log", f"directory:{tmp_path / 'logs'}"]) as link,
    ):
        ask(link, query="CREATE TABLE notes (text)")
        ask(link, query="INSERT INTO notes VALUES ('first')")
        ask(link, query="UPDATE notes SET text = 'second'")
        page = opened(at=link)
        page.get_by_role("button", name="Watch").click()
        commits = page.get_by_role("list", name="Commits").get_by_role("button")
        commits.nth(2).wait_for()
        assert commits.count() == 3

        page.locator("table.statements").wait_for()
        commits.nth(1).click()
        screen(page, "history-light")
        page.get_by_role("button", name="Read it as it was").click()
        run(page, "SELECT text FROM notes")
        page.get_by_role("gridcell", name="first").wait_for()
        status(page, "position")
        page.get_by_role("button", name="Back to the present").click()
        page.get_by_role("button", name="Run").click()
        page.get_by_role("gridcell", name="second").wait_for()

        page.get_by_role("button", name="Watch").click()
        commits.nth(1).click()
        page.get_by_role("button", name="Branch from here…").click()
        page.get_by_label("Name of the branch").fill("draft")
        page.get_by_role("button", name="Branch", exact=True).click()
        page.get_by_role("heading", name="draft").wait_for()
        page.get_by_role("button", name="table notes").press("Enter")
        page.get_by_role("gridcell", name="first").wait_for()
