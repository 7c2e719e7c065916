"""See: the drawing, the tables, and their rows, which are edited one at a time."""

from tests.console.conftest import Open, cells, run, status

TABLE = (
    "CREATE TABLE edited (a TEXT, b INTEGER, c TEXT DEFAULT 'preset', PRIMARY KEY (a, b)) STRICT"
)


def test_rows_are_read_by_a_condition_in_an_order_and_as_one_goes_on(opened: Open) -> None:
    page = opened("&view=see")
    page.get_by_role("button", name="table flights").click()
    status(page, "1,000 rows so far")

    page.get_by_label("Condition").fill("origin = 'JFK' AND dep_delay > 500")
    page.get_by_label("Condition").press("Enter")
    page.get_by_role("grid").focus()
    page.get_by_role("columnheader", name="dep_delay").click()
    page.get_by_role("columnheader", name="dep_delay").click()

    page.locator("[aria-rowindex='2'] [aria-colindex='7']", has_text="1301").wait_for()
    page.get_by_label("Condition").fill("nowhere = 1")
    page.get_by_role("button", name="Show").click()
    page.get_by_role("alert").get_by_text("no such column: nowhere").wait_for()


def test_a_row_is_added_edited_and_deleted_by_its_key(opened: Open) -> None:
    page = opened()
    run(page, TABLE)
    page.get_by_role("button", name="Write").click()
    page.get_by_role("button", name="See", exact=True).click()
    page.locator(".see-item", has_text="edited").click()

    page.get_by_role("button", name="Add row").click()
    page.get_by_label("Value of a").fill("it's")
    page.get_by_label("Value of b").fill("9007199254740993")
    page.get_by_role("button", name="Write").click()
    status(page, "1 row written", "lease waited")
    cells(page, "it's", "9007199254740993", "preset")

    page.get_by_role("gridcell", name="preset").dblclick()
    page.get_by_label("Value of c").fill("new")
    sql = page.get_by_label("SQL").last.inner_text()
    assert "UPDATE edited SET c = :value WHERE a = :key_1 AND b = :key_2 AND c IS :was" in sql
    assert "-- :key_1 = 'it''s'\n-- :key_2 = 9007199254740993" in sql
    page.get_by_role("button", name="Write").click()
    page.get_by_role("gridcell", name="new").wait_for()

    page.get_by_role("gridcell", name="new").click()
    page.get_by_role("button", name="Delete row").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    cells(page)
    status(page, "1 row written")
    page.get_by_role("button", name="Ask", exact=True).click()
    run(page, "DROP TABLE edited")
    page.get_by_role("button", name="Write").click()
    status(page, "0 rows affected")


def test_a_row_that_has_changed_since_it_was_read_is_not_overwritten(opened: Open) -> None:
    page = opened("&view=see")
    page.locator(".see-item", has_text="airlines").click()
    page.get_by_role("gridcell", name="Envoy Air").dblclick()
    other = opened()
    run(other, "UPDATE airlines SET name = 'Envoy' WHERE carrier = 'MQ'")
    other.get_by_role("button", name="Write").click()
    status(other, "1 row affected")

    page.get_by_label("Value of name").fill("Another")
    page.get_by_role("button", name="Write").click()

    page.get_by_role("alert").get_by_text("was changed or deleted since it was read").wait_for()
