"""Ask: what is typed into the editor, and what comes back."""

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet

from tests.console.conftest import Open, cells, copied, run, status, type_in

ELEMENTS_MAX = 120
TYPES = """SELECT 9007199254740993 AS large, 1.0 AS whole, 1 AS one, -1.5e300 AS far,
 9e999 AS endless, NULL AS absent, '' AS empty, 'a' || char(10) || 'b' AS lines,
 x'00ff41' AS bytes"""


def test_values_are_shown_as_sqlite_has_them_and_copied_exactly(opened: Open) -> None:
    page = opened()

    run(page, TYPES)

    status(page, "1 row", "read, no lease")
    shown = ("9007199254740993", "1.0", "1", "-1.5e+300", "Infinity", "NULL", "", "a⏎b")
    cells(page, *shown, "blob, 3 bytes")
    kinds = [one.get_attribute("class") for one in page.get_by_role("gridcell").all()]
    assert [kind.split()[1] for kind in kinds] == [
        *("integer", "real", "integer", "real", "real", "null", "text", "text", "blob")
    ]  # fmt: skip
    page.get_by_role("grid").focus()
    page.keyboard.press("Control+a")
    page.get_by_role("button", name="Copy").click()
    page.get_by_role("button", name="JSON").click()
    page.get_by_text("Copied 1 row").wait_for()
    text = copied(page)
    assert '"large":9007199254740993,"whole":1.0,"one":1' in text
    assert json.loads(text)[0]["bytes"] == {"base64": "AP9B"}


def test_a_result_says_its_time_in_sqlite_and_the_rows_that_were_stepped_over(opened: Open) -> None:
    page = opened()

    run(page, "SELECT count(*) FROM flights WHERE tailnum = 'N14228'")

    status(page, "SQLite", "19,999 rows stepped over")

    def older(route: Any) -> None:
        """Answer as a service does that does not know the field yet."""
        if "costs" not in route.request.post_data:
            return route.continue_()
        said = {"code": "BAD_EVENT", "message": "costs is no field", "field": "costs"}
        return route.fulfill(status=400, body=json.dumps({"error": said}))

    page.route("**/read", older)
    run(page, "SELECT 2 AS b")
    page.get_by_role("columnheader", name="b").wait_for()
    assert "SQLite" not in page.locator(".status").text_content()


def test_an_error_is_marked_at_its_place(opened: Open) -> None:
    page = opened()

    run(page, "SELECT 'é' FROM airlines;\nSELECT 'é', nam FROM airlines;")

    page.get_by_role("alert").get_by_text("did you mean name?").wait_for()
    assert page.get_by_text("STATEMENT_ERROR in statement 2", exact=True).is_visible()
    assert page.locator(".cm-lintRange-error").all_text_contents() == ["nam"]


def test_tables_and_columns_are_completed(opened: Open) -> None:
    page = opened()

    type_in(page, "SELECT ")
    page.keyboard.type("* FROM airp")

    page.locator(".cm-tooltip-autocomplete").get_by_text("airports").wait_for()
    page.keyboard.press("Enter")
    page.keyboard.type(" WHERE airports.tzo")
    page.locator(".cm-tooltip-autocomplete").get_by_text("tzone").wait_for()


def test_the_selection_the_statement_here_and_all_of_them_are_run(opened: Open) -> None:
    page = opened()

    run(page, "SELECT 1 AS a;\nSELECT 2 AS b;\nSELECT 3 AS c")
    page.get_by_role("tab").nth(2).wait_for()
    assert page.get_by_role("tab").count() == 3
    cells(page, "3")
    page.get_by_role("tab").first.click()
    cells(page, "1")

    page.get_by_role("textbox", name="SQL").click()
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Control+Shift+Enter")
    page.get_by_role("columnheader", name="b").wait_for()
    cells(page, "2")

    page.keyboard.press("Control+Home")
    page.keyboard.press("Shift+End")
    page.keyboard.press("Control+Enter")
    page.get_by_role("columnheader", name="a").wait_for()
    cells(page, "1")


def test_parameters_have_fields_and_types(opened: Open) -> None:
    page = opened()
    type_in(page, "SELECT typeof(:a) || ' ' || :a AS a, typeof($b) AS b, '?' AS c -- :no")

    page.get_by_label("Value of :a").fill("9007199254740993")
    page.get_by_label("Value of $b").fill("007x")
    page.get_by_role("button", name="Run").click()

    status(page, "1 row")
    cells(page, "integer 9007199254740993", "text", "?")
    page.get_by_label("Type of $b").select_option("NULL")
    page.get_by_label("Type of :a").select_option("real")
    page.get_by_label("Value of :a").fill("2")
    page.get_by_role("button", name="Run").click()
    cells(page, "real 2.0", "null", "?")


def test_a_write_asks_first_and_says_what_it_did(opened: Open) -> None:
    page = opened()
    made = "CREATE TABLE asked (a INTEGER PRIMARY KEY);\nINSERT INTO asked VALUES (1), (2);"

    run(page, made)
    page.get_by_role("heading", name="Write to flights?").wait_for()
    page.get_by_role("button", name="Cancel").last.click()
    run(page, "SELECT count(*) FROM sqlite_schema WHERE name = 'asked'")
    page.get_by_role("gridcell", name="0").wait_for()

    run(page, made)
    page.get_by_role("button", name="Write").click()

    status(page, "2 rows affected", "lease waited")
    # What a write makes is offered at once.
    page.locator(".outline-name", has_text="asked").wait_for()
    run(page, "DROP TABLE asked")
    page.get_by_role("button", name="Write").click()
    status(page, "0 rows affected")


def test_a_query_is_cancelled(opened: Open) -> None:
    page = opened()
    # Nobody answers, however fast the machine is.
    page.route("**/read", lambda _route: None)

    run(page, "SELECT 1")
    page.get_by_role("button", name="Cancel").click()

    page.get_by_text("Nothing was written.").wait_for()
    assert page.get_by_role("button", name="Run").is_enabled()


def test_what_was_run_is_in_the_history_and_a_link_holds_it(opened: Open) -> None:
    page = opened()
    query = "SELECT 'a & b' AS \"x%20#\", 1 + 1"

    run(page, query)
    status(page, "1 row")
    page.get_by_role("button", name="Link").click()
    page.get_by_text("Copied a link").wait_for()
    link = copied(page)
    run(page, "SELECT 1")
    page.get_by_role("gridcell", name="1").wait_for()
    page.get_by_role("button", name="History").click()
    page.get_by_role("button", name=re.compile("a & b")).click()
    assert page.get_by_role("textbox", name="SQL").text_content() == query

    type_in(page, "")
    page.goto(link)
    page.locator(".cm-line", has_text="a & b").wait_for()
    assert "token" not in link


def test_of_100_000_rows_those_in_sight_are_elements_and_all_are_paged_and_saved(
    opened: Open, tmp_path: Path
) -> None:
    page = opened()
    run(page, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 100005)"
        " SELECT x, 'row ' || x AS name, x / 2.0 AS half FROM c")  # fmt: skip
    status(page, "100,000 rows")
    page.get_by_text("The first 100,000 rows").wait_for()
    for place in (0, 50_000, 20_000):
        page.locator(".grid").evaluate(f"grid => {{ grid.scrollTop = {place} * 28 }}")
        page.get_by_role("gridcell", name=f"{place + 1}", exact=True).wait_for()
        assert page.locator(".grid-body .grid-row").count() < ELEMENTS_MAX

    page.get_by_role("button", name="Next page").click()

    status(page, "100,005 rows")
    page.get_by_role("grid").focus()
    page.keyboard.press("Control+End")
    page.get_by_role("gridcell", name="row 100005").wait_for()
    page.get_by_role("columnheader", name="x").click()
    page.get_by_role("columnheader", name="x").click()
    page.keyboard.press("Control+Home")
    assert page.get_by_role("columnheader", name="x").get_attribute("aria-sort") == "descending"

    csv = saved(page, "CSV", tmp_path).read_text()
    assert csv.splitlines()[:2] == ["x,name,half", "1,row 1,0.5"]
    assert csv.splitlines()[-1] == "100005,row 100005,50002.5"
    table = pyarrow.parquet.read_table(saved(page, "Parquet", tmp_path))
    assert table.num_rows == 100_005
    assert [str(field.type) for field in table.schema] == ["int64", "string", "double"]
    assert table.slice(99_999, 1).to_pylist() == [{"x": 100_000, "name": "row 100000", "half": 5e4}]


def saved(page: Any, form: str, directory: Path) -> Path:
    page.get_by_role("button", name="Save").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=form).click()
    path = directory / form
    download.value.save_as(path)
    return path


def test_a_time_that_is_a_whole_number_of_milliseconds_is_shown(opened: Open) -> None:
    page = opened()
    meta = (
        '"meta": {"database": "flights", "duration_ms": 2.0, "wrote": true, "lease_wait_ms": 3.0}'
    )
    result = '"columns": ["a"], "rows": [[4.0]], "rows_affected": 0, "last_insert_rowid": null'
    page.route("**/read", lambda route: route.fulfill(body=f"{{{result}, {meta}}}"))

    run(page, "SELECT 4.0 AS a")

    status(page, "2.0 ms", "lease waited 3.0 ms")
    cells(page, "4.0")
