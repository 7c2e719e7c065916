"""What a screen reader says of the page: walked by Guidepup's virtual one, inside Chromium."""

from collections.abc import Sequence
from typing import Any

from tests.console.conftest import Open, run, status, type_in
from tests.local_server import ROOT

LIBRARIES = ROOT / "build" / "console" / "node_modules"
READER = LIBRARIES / "@guidepup/virtual-screen-reader/lib/esm/index.browser.js"
STEPS_MAX = 400
WALK = f"""async selector => {{
  await reader.start({{ container: document.querySelector(selector) }});
  const said = [await reader.lastSpokenPhrase()];
  while (said.length < {STEPS_MAX}) {{
    await reader.next();
    const phrase = await reader.lastSpokenPhrase();
    if (phrase === said[0] && said.length > 1) break;
    said.push(phrase);
  }}
  await reader.stop();
  return said;
}}"""


HEARD = """async phrase => {
  while (!(await reader.spokenPhraseLog()).some(one => one.includes(phrase))) {
    await new Promise(resume => setTimeout(resume, 20));
  }
}"""


def with_reader(page: Any) -> None:
    """Load the reader into the page, as `reader`: its file is a module."""
    module, exported = READER.read_text().rsplit("export{", 1)
    (name,) = [
        one.removesuffix(" as virtual")
        for one in exported.partition("}")[0].split(",")
        if one.endswith(" as virtual")
    ]
    page.evaluate(f"() => {{ {module} globalThis.reader = {name}; }}")


def walked(page: Any, selector: str) -> list[str]:
    """Return what is said of a part of the page, step by step."""
    said: list[str] = page.evaluate(WALK, selector)
    assert len(said) < STEPS_MAX
    return said


def listening(page: Any) -> None:
    page.evaluate("() => reader.start({ container: document.body })")


def heard(page: Any, phrase: str) -> None:
    """Wait until something is said by itself that has this in it."""
    page.evaluate(HEARD, phrase)


def in_order(said: Sequence[str], *phrases: str) -> None:
    """Hold that these phrases come in this order, with others between them."""
    rest = iter(said)
    for phrase in phrases:
        assert phrase in rest, "\n".join([f"not said: {phrase}", *said])


def test_signing_in_and_what_came_of_a_query_are_said(opened: Open, link: str) -> None:
    page = opened()
    other = page.context.new_page()
    other.goto(link.partition("#")[0])
    other.get_by_label("Token").fill("wrong")
    with_reader(other)
    in_order(walked(other, "body"), "main", "heading, Sign in, level 1", "Token", "button, Sign in")
    listening(other)
    other.get_by_role("button", name="Sign in").click()
    heard(other, "assertive: the token")

    with_reader(page)
    listening(page)
    run(page, "SELECT carrier, name FROM airlines WHERE carrier = 'AA'")
    heard(page, "polite: 1 row in ")
    page.get_by_role("grid").focus()
    heard(page, "grid, Rows, ")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("s")
    heard(page, "polite: Sorted by carrier, ascending")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    heard(page, "dialog, name, American Airlines Inc.")
    page.keyboard.press("Escape")
    run(page, "SELECT 1;\nSELECT nam FROM airlines")
    heard(page, "assertive: STATEMENT_ERROR in statement 2: no such column: nam")
    heard(page, "did you mean name? At line 2, column 8.")
    assert "button, Go to line 2, column 8" in walked(page, ".results")
    page.get_by_role("button", name="Light or dark").focus()
    listening(page)
    type_in(page, "SELECT * FROM flights WHERE tailnum = 'N14228' ORDER BY time_hour")
    page.get_by_role("button", name="Explain").click()
    heard(page, "polite: Plan of 1 step, 1 marked as costly")


def test_a_grid_a_plan_and_a_chart_are_said_with_their_places(opened: Open) -> None:
    page = opened()
    with_reader(page)
    run(page, "SELECT carrier, name FROM airlines ORDER BY carrier LIMIT 2")
    status(page, "2 rows")

    in_order(
        walked(page, ".results"),
        "grid, Rows, column count 3, multi-selectable, row count 3",
        "columnheader, Row, column index 1",
        "columnheader, carrier, column index 2, no defined sort order",
        "columnheader, name, column index 3, no defined sort order",
        "row, 2 AA American Airlines Inc., row index 3",
        "rowheader, 2, column index 1",
        "gridcell, AA, column index 2",
        "gridcell, American Airlines Inc., column index 3",
    )
    page.get_by_role("grid").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    active = page.get_by_role("grid").get_attribute("aria-activedescendant")
    cell = page.get_by_role("gridcell", name="American Airlines Inc.", selected=True)
    assert cell.get_attribute("id") == active

    type_in(page, "SELECT carrier FROM airlines UNION ALL SELECT tailnum FROM planes")
    page.get_by_role("button", name="Explain").click()
    page.locator(".plan").wait_for()
    levels = [one for one in walked(page, ".results") if one.startswith("listitem")]
    assert [one.split(",")[1] for one in levels] == [" level 1", *[" level 2", " level 3"] * 2]
    run(page, "SELECT carrier, count(*) AS flights FROM flights GROUP BY 1 ORDER BY 2 DESC LIMIT 2")
    status(page, "2 rows")
    page.get_by_role("button", name="Chart").click()
    page.get_by_role("img", name="Bar chart by carrier, 2 rows: flights from ").wait_for()
    said = walked(page, ".results")
    assert any(one.startswith("image, Bar chart by carrier, 2 rows: flights from") for one in said)


def test_see_and_watch_are_said_with_the_names_of_their_tables(opened: Open) -> None:
    page = opened("&view=see")
    with_reader(page)
    page.get_by_role("button", name="flights 20,000").wait_for()

    in_order(
        walked(page, "main"),
        "navigation, In this database",
        "button, Drawing, current item",
        "heading, Tables, level 2",
        "button, table flights, 19 columns, refers to airports, airlines",
    )
    page.get_by_role("button", name="table airlines").press("Enter")
    page.get_by_role("gridcell").nth(1).dblclick()
    page.get_by_role("button", name="Write").wait_for()
    said = walked(page, "dialog[open]")
    assert "button, Write" in said
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Structure").click()
    in_order(
        walked(page, ".structure"),
        "heading, Columns, level 3",
        "columnheader, Name",
        "cell, carrier",
        "cell, key 1",
    )
    page.get_by_role("button", name="Watch").click()
    page.locator("table.statements").wait_for()
    explain = page.get_by_role("button", name="Explain").first
    explain.focus()
    with page.expect_response("**/console/watch"):
        pass
    in_order(
        walked(page, ".watch section:nth-child(3)"),
        "heading, Requests, level 3",
        "table, Requests by door",
        "columnheader, Half within",
        "cell, http",
    )
    assert page.get_by_role("table", name="Statements").count() == 1
    # What is counted is drawn again, and whoever is at a button stays there.
    page.wait_for_function("() => document.activeElement.textContent === 'Explain'")
