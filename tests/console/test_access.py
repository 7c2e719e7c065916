"""The page is for everybody: axe finds nothing, keys suffice, and it fits narrow screens."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.console.conftest import Open, run, screen, status, type_in
from tests.local_server import ROOT

AXE = ROOT / "build" / "console" / "node_modules" / "axe-core" / "axe.min.js"
ROWS = (
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100000) SELECT x FROM c"
)
ELEMENTS_MAX = 120
ASKED = """-- Which carriers are late, and by how much?
SELECT name AS airline, count(*) AS flights,
       round(avg(dep_delay), 1) AS mean_delay, max(dep_delay) AS longest,
       count(*) FILTER (WHERE dep_time IS NULL) AS cancelled
FROM flights JOIN airlines USING (carrier)
WHERE month < :month
GROUP BY carrier
ORDER BY mean_delay DESC"""


def found(page: Any, theme: str) -> list[str]:
    """Return what axe finds in the page as it is now; in the dark, of its colors."""
    page.evaluate(f"() => {{ if (!globalThis.axe) {{ {Path(AXE).read_text()} }} }}")
    options = "{}" if theme == "light" else "{runOnly: ['color-contrast']}"
    result = page.evaluate(f"() => axe.run(document, {options})")
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in result["violations"]
        for node in one["nodes"]
    ]


def checked(page: Any, theme: str, name: str) -> None:
    """Write a picture of a view, and have axe look at it."""
    screen(page, f"{name}-{theme}")
    if theme == "light" or name in ("ask", "plan", "see", "watch"):
        assert found(page, theme) == [], name


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_any_view(opened: Open, theme: str) -> None:
    page = opened(theme=theme)

    check = partial(checked, page, theme)
    run(page, ASKED)
    page.get_by_label("Value of :month").fill("2")
    page.get_by_role("button", name="Run").click()
    status(page, "rows", "read, no lease")
    page.get_by_role("gridcell").first.click()
    page.locator(".outline-table summary").first.click()
    check("ask")
    page.get_by_role("button", name="Chart").click()
    check("chart")
    run(page, "SELECT name FROM airlines;\nSELECT nam FROM airlines")
    page.get_by_role("alert").wait_for()
    check("error")
    type_in(page, "SELECT * FROM flights WHERE tailnum = 'N14228' ORDER BY time_hour")
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("20,000 rows").wait_for()
    check("plan")
    run(page, "DELETE FROM planes")
    page.get_by_role("heading", name="Write to flights?").wait_for()
    check("write")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="See", exact=True).click()
    page.get_by_role("button", name="flights 20,000").wait_for()
    assert page.locator(".key-line").count() == 3
    check("see")
    page.get_by_role("button", name="table airlines").press("Enter")
    page.get_by_role("gridcell").first.wait_for()
    page.get_by_role("gridcell").nth(1).dblclick()
    page.get_by_role("button", name="Write").wait_for()
    check("edit")
    page.keyboard.press("Escape")
    page.locator(".see-item", has_text="flights").click()
    page.get_by_role("grid", name="Rows of flights").get_by_role("gridcell").first.wait_for()
    screen(page, f"rows-{theme}")
    # Few rows, since axe looks at each cell.
    page.get_by_label("Condition").fill("dep_delay > 900")
    page.get_by_label("Condition").press("Enter")
    page.get_by_role("gridcell", name="1301").wait_for()
    check("few-rows")
    page.get_by_role("button", name="Structure").click()
    page.get_by_role("heading", name="Foreign keys").wait_for()
    check("structure")
    page.get_by_role("button", name="Watch").click()
    page.locator("table.statements").wait_for()
    page.get_by_role("cell", name="http", exact=True).wait_for()
    check("watch")


def test_of_100_000_rows_those_in_sight_are_elements(opened: Open) -> None:
    page = opened()
    run(page, ROWS)
    status(page, "100,000 rows")

    for place in (0, 50_000, 99_999, 20_000):
        page.locator(".grid").evaluate(f"grid => {{ grid.scrollTop = {place} * 28 }}")
        page.get_by_role("gridcell", name=f"{place + 1}", exact=True).wait_for()
        assert page.locator(".grid-body .grid-row").count() < ELEMENTS_MAX


def test_everything_is_reached_by_keys(opened: Open) -> None:
    page = opened()
    run(page, "SELECT 1 AS a, 2 AS b UNION ALL SELECT 3, 4")
    status(page, "2 rows")

    page.get_by_role("grid").focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")

    page.locator("pre.value", has_text="4").wait_for()
    page.keyboard.press("Escape")
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Control+c")
    page.get_by_text("Copied 2 rows").wait_for()


@pytest.mark.parametrize("width", [360, 640])
def test_narrow_screens_and_200_percent_have_no_sideways_scrolling(
    opened: Open, width: int
) -> None:
    """A window of 1,280 pixels at 200 % is one of 640."""
    page = opened(width=width)
    run(page, "SELECT * FROM airports")
    status(page, "1,458 rows")
    screen(page, f"ask-{width}")
    for view, content in (("Ask", ".grid"), ("See", ".drawing"), ("Watch", "table.statements")):
        page.get_by_role("button", name=view, exact=True).click()
        page.locator(content).wait_for()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    screen(page, f"watch-{width}")
