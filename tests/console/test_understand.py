"""Understand: the plan of a query, the index that would serve it, and a result as a chart."""

import re
from pathlib import Path

from tests.console.conftest import Open, run, status, type_in

ADVISED = [
    (
        "SELECT * FROM flights WHERE tailnum = 'N14228' AND dep_delay > 60",
        ["CREATE INDEX flights_by_tailnum_dep_delay ON flights (tailnum, dep_delay)"],
    ),
    (
        "SELECT f.flight, w.temp FROM weather w, flights f"
        " WHERE f.day = w.day AND f.hour = w.hour AND w.temp > 99",
        [
            "CREATE INDEX weather_by_temp ON weather (temp)",
            "CREATE INDEX flights_by_day_hour ON flights (day, hour)",
        ],
    ),
    (
        "SELECT * FROM flights ORDER BY distance DESC LIMIT 3",
        ["CREATE INDEX flights_by_distance ON flights (distance)"],
    ),
    ("SELECT * FROM flights WHERE dest = :dest", []),
    ("SELECT avg(dep_delay) FROM flights", []),
    ('DELETE FROM planes WHERE "year" IN (1, 2)', ["CREATE INDEX planes_by_year ON planes (year)"]),
]


def test_a_plan_is_a_tree_with_an_index_that_sqlite_then_uses(opened: Open) -> None:
    page = opened()
    for sql, advised in ADVISED:
        type_in(page, sql)
        page.get_by_role("button", name="Explain").click()
        # The plan of the statement before stands there until the answer comes.
        page.locator(".plan-sql", has_text=sql).wait_for()
        assert page.locator(".advice pre").all_text_contents() == advised

    sql, advised = ADVISED[0]
    type_in(page, sql)
    page.get_by_role("button", name="Explain").click()
    page.locator(".plan-node.bad", has_text="reads every row").get_by_text("20,000 rows").wait_for()
    page.get_by_role("button", name="Create it…").click()
    page.get_by_role("button", name="Write").click()
    status(page, "0 rows affected")
    type_in(page, sql)
    page.get_by_role("button", name="Explain").click()
    page.locator(".plan-node.good", has_text="flights_by_tailnum_dep_delay").wait_for()
    assert page.locator(".advice").count() == 0
    run(page, "DROP INDEX flights_by_tailnum_dep_delay")
    page.get_by_role("button", name="Write").click()
    status(page, "0 rows affected")


def test_a_result_is_drawn_and_saved_as_a_picture(opened: Open, tmp_path: Path) -> None:
    page = opened()
    run(page, "SELECT carrier, count(*) AS flights FROM flights GROUP BY carrier ORDER BY 2 DESC")
    page.get_by_role("button", name="Chart").click()
    page.get_by_role("img", name="Bar chart by carrier").wait_for()

    for form in ("Bar", "Line", "Scatter"):
        page.get_by_label("Form").select_option(form)
        with page.expect_download() as download:
            page.get_by_role("button", name="SVG").click()
        download.value.save_as(tmp_path / "chart.svg")
        picture = (tmp_path / "chart.svg").read_text()
        marks = {"Bar": "<rect ", "Line": "<path ", "Scatter": "<circle "}
        assert len(re.findall(marks[form], picture)) >= (1 if form == "Line" else 15)
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    download.value.save_as(tmp_path / "chart.png")
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")
