"""What a database holds stays text, and the token stays in the tab."""

import json
from pathlib import Path
from typing import Any

import pytest

from sqlatch.server.credentials import KEY_FILE
from sqlatch.tokens import sign
from tests.console.conftest import Open, run, screen, status, type_in
from tests.console.test_watch import ask

TABLE = "<img src=x onerror=\"document.title='run'\">"
COLUMN = "</script><script>document.title='run'</script>"
VALUE = "<svg onload=\"document.title='run'\"><b>bold</b>javascript:alert(1)"
LARGE_BYTES = 10_000_000


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def hostile(link: str) -> Any:
    ask(link, query=f"CREATE TABLE {quoted(TABLE)} (id INTEGER PRIMARY KEY, {quoted(COLUMN)} TEXT)")
    ask(link, query=f"INSERT INTO {quoted(TABLE)} VALUES (1, ?)", parameters=[VALUE])
    large = f"INSERT INTO {quoted(TABLE)} VALUES (2, ? || hex(zeroblob({LARGE_BYTES // 2})))"
    ask(link, query=large, parameters=[VALUE])
    yield
    ask(link, query=f"DROP TABLE {quoted(TABLE)}")


@pytest.mark.usefixtures("hostile")
def test_names_and_values_stay_text_in_every_view(opened: Open) -> None:
    page = opened()

    def is_only_text() -> bool:
        """No element was made of any of it, and no script of it has run."""
        made = page.locator("img, script:not([src]), b, iframe, object, svg[onload]").count()
        return made == 0 and "run" not in page.title()

    page.locator(".outline-name", has_text=TABLE).wait_for()
    type_in(page, "SELECT * FROM ")
    page.keyboard.type('"<im')
    page.locator(".cm-tooltip-autocomplete").wait_for()
    assert is_only_text()

    run(page, f"SELECT *, octet_length({quoted(COLUMN)}) AS bytes FROM {quoted(TABLE)} -- {VALUE}")
    status(page, "2 rows")
    page.get_by_role("gridcell", name=VALUE, exact=True).dblclick()
    page.locator("pre.value", has_text=VALUE).wait_for()
    assert is_only_text()
    page.keyboard.press("Escape")
    page.get_by_role("gridcell").nth(4).dblclick()
    page.get_by_text("The first 200,000 of 10,0").wait_for()
    assert is_only_text()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Chart").click()
    page.get_by_role("button", name="Explain").click()
    page.locator(".plan").wait_for()
    assert is_only_text()

    page.get_by_role("button", name="See", exact=True).click()
    page.get_by_role("button", name=f"table {TABLE}").click()
    page.get_by_role("gridcell", name="10.0 MB").wait_for()
    screen(page, "hostile-light")
    assert is_only_text()
    page.get_by_role("gridcell", name=VALUE, exact=True).dblclick()
    page.get_by_label("SQL").last.get_by_text("UPDATE").wait_for()
    assert is_only_text()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Structure").click()
    page.get_by_role("heading", name="Columns").wait_for()
    page.get_by_role("button", name="Watch").click()
    page.locator("table.statements").wait_for()
    assert is_only_text()
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("button", name="History").click()
    page.locator(".history-item code", has_text=COLUMN).wait_for()
    assert is_only_text()


def test_a_token_is_asked_for_kept_in_the_tab_and_never_told(
    opened: Open, link: str, databases: Path, log: Path
) -> None:
    url, _hash, token = link.partition("#token=")
    narrow = sign(
        (databases / KEY_FILE).read_text(), access="ro", databases=["flights"], lifetime_s=600
    )
    page = opened()
    assert page.url == f"{url}#view=ask&db=flights"
    stored = page.evaluate("() => JSON.stringify({...localStorage}) + document.cookie")
    assert "eyJ" not in stored

    other = page.context.new_page()
    other.goto(url)
    other.get_by_label("Token").fill("wrong")
    other.get_by_role("button", name="Sign in").click()
    other.get_by_role("alert").get_by_text("token").wait_for()
    other.get_by_label("Token").fill(narrow)
    other.get_by_role("button", name="Sign in").click()

    # It is for one database, and only reads.
    run(other, "DELETE FROM airlines")
    other.get_by_role("button", name="Write").click()
    other.get_by_text("READ_ONLY", exact=True).wait_for()
    other.get_by_role("button", name="Sign out").click()
    other.get_by_label("Token").wait_for()
    lines = log.read_text()
    assert len(lines.splitlines()) > 1
    for secret in (token, narrow, VALUE, "N14228"):
        assert secret not in lines
    shapes = [shape for line in lines.splitlines() for shape in json.loads(line).get("shapes", [])]
    assert shapes
