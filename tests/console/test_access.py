"""The page is for everybody: axe finds nothing, keys suffice, and it fits narrow screens."""

from functools import partial
from typing import Any

from tests.console.conftest import HEIGHT, WIDTH, Open, run, screen, status, type_in
from tests.local_server import ROOT

AXE = ROOT / "build" / "console" / "node_modules" / "axe-core" / "axe.min.js"
ASKED = """-- Which carriers are late, and by how much?
SELECT name AS airline, count(*) AS flights,
       round(avg(dep_delay), 1) AS mean_delay, max(dep_delay) AS longest,
       count(*) FILTER (WHERE dep_time IS NULL) AS cancelled
FROM flights JOIN airlines USING (carrier)
WHERE month < :month
GROUP BY carrier
ORDER BY mean_delay DESC"""


def found(page: Any, *, only: str | None = None) -> list[str]:
    """Return what axe finds in the page as it is now, by all of its rules or by one."""
    if not page.evaluate("() => 'axe' in globalThis"):
        page.evaluate(f"() => {{ {AXE.read_text()} }}")
    options = {"resultTypes": ["violations"], **({"runOnly": [only]} if only else {})}
    result = page.evaluate("options => axe.run(document, options)", options)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in result["violations"]
        for node in one["nodes"]
    ]


CUT_OFF = """() => {
  const isScrolled = element => {
    for (let one = element; one; one = one.parentElement) {
      if (/auto|scroll/.test(getComputedStyle(one).overflowX)) return true;
    }
    return false;
  };
  const within = ({ left, right }) => left >= -1 && right <= innerWidth + 1;
  const hidden = ".heard, .skip, #told";
  const all = [...document.querySelectorAll("body *")].filter(element =>
    element.checkVisibility() && !element.closest(hidden)
    && !within(element.getBoundingClientRect()) && !isScrolled(element));
  const sideways = document.documentElement.scrollWidth > innerWidth ? ["the page scrolls"] : [];
  return [...sideways, ...all.map(one => one.outerHTML.slice(0, 120))];
}"""
SIZES = {"zoomed": (640, 400), "360": (360, HEIGHT)}
"""A window of 1,280 by 800 pixels at 200 % is one of 640 by 400."""


def checked(page: Any, name: str) -> None:
    """Have axe look at a view, at its colors in the dark too, and see that it fits narrow screens.

    A picture is written, with SCREENS=all one of each form.
    """
    screen(page, f"{name}-light")
    assert found(page) == [], name
    page.emulate_media(color_scheme="dark")
    assert found(page, only="color-contrast") == [], name
    screen(page, f"{name}-dark")
    page.emulate_media(color_scheme="light")
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("() => new Promise(requestAnimationFrame)")
        screen(page, f"{name}-{size}")
        assert page.evaluate(CUT_OFF) == [], (name, size)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def test_ask_passes_axe_in_light_and_dark_and_fits_narrow_screens(opened: Open) -> None:
    page = opened()

    check = partial(checked, page)
    run(page, ASKED)
    page.get_by_label("Value of :month").fill("2")
    page.get_by_role("button", name="Run").click()
    status(page, "rows", "read, no lease")
    page.get_by_role("gridcell").first.click()
    page.locator(".outline-table summary").first.click()
    check("ask")
    page.get_by_role("grid").focus()
    page.keyboard.press("Enter")
    page.locator("pre.value").wait_for()
    check("value")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Chart").click()
    check("chart")
    run(page, "SELECT name FROM airlines;\nSELECT nam FROM airlines")
    page.locator(".refusal").wait_for()
    check("error")
    page.get_by_role("button", name="History").click()
    check("history")
    page.keyboard.press("Escape")
    type_in(page, "SELECT * FROM flights WHERE tailnum = 'N14228' ORDER BY time_hour")
    page.get_by_role("button", name="Explain").click()
    page.get_by_text("20,000 rows").wait_for()
    check("plan")
    run(page, "DELETE FROM planes")
    page.get_by_role("heading", name="Write to flights?").wait_for()
    check("write")


def test_see_and_watch_pass_axe_in_light_and_dark_and_fit_narrow_screens(opened: Open) -> None:
    page = opened("&view=see")

    check = partial(checked, page)
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
    # Few rows, since axe looks at each cell.
    page.get_by_label("Condition").fill("dep_delay > 900")
    page.get_by_label("Condition").press("Enter")
    page.get_by_role("gridcell", name="1301").wait_for()
    check("rows")
    page.get_by_role("button", name="Structure").click()
    page.get_by_role("heading", name="Foreign keys").wait_for()
    check("structure")
    page.get_by_role("button", name="Watch").click()
    page.locator("table.statements").wait_for()
    page.get_by_role("cell", name="http", exact=True).wait_for()
    check("watch")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_label("Token").wait_for()
    check("sign-in")


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
