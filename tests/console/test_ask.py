"""Ask: what is typed into the editor, and what comes back."""

from tests.console.conftest import Open, run, screen, status


def test_a_query_is_answered_by_rows(opened: Open) -> None:
    page = opened()

    run(page, "SELECT carrier, name FROM airlines ORDER BY carrier")

    status(page, "16 rows", "read, no lease")
    cells = page.get_by_role("gridcell")
    assert cells.nth(0).text_content() == "9E"
    assert cells.nth(1).text_content() == "Endeavor Air Inc."
    assert "token" not in page.url
    screen(page, "ask-light")
