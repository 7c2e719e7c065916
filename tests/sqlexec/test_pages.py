"""The name of a page: where it begins, and of which statement and state."""

import pytest

from sqlatch.kernel.errors import BadEvent, DatabaseChanged
from sqlexec.pages import FIRST, digest, page_of

STATEMENT = digest("main", "SELECT 1", ())


def test_the_next_page_begins_behind_the_rows_of_those_before() -> None:
    page = page_of(FIRST, STATEMENT, 5).behind(10, "a").behind(7, "a")

    again = page_of(page.text, STATEMENT, 99)

    assert again == page
    assert (again.rows_passed, again.at_ms, again.state) == (17, 5, "a")


def test_the_pages_of_a_result_have_one_time_and_one_seed() -> None:
    first, other = (page_of(FIRST, STATEMENT, 5) for _ in range(2))

    assert first.behind(1, "a").seed_bytes == first.seed_bytes != other.seed_bytes


@pytest.mark.parametrize("text", ["second", "1.2.3", "x.5.s.d.a", ""])
def test_what_names_no_page_is_refused(text: str) -> None:
    with pytest.raises(BadEvent, match="is not a page"):
        page_of(text, STATEMENT, 5)


def test_a_page_of_another_statement_is_refused() -> None:
    page = page_of(FIRST, digest("main", "SELECT 2", ()), 5).behind(1, "a")

    with pytest.raises(BadEvent, match="another statement"):
        page_of(page.text, STATEMENT, 5)


def test_a_page_is_of_the_state_of_those_before() -> None:
    page = page_of(FIRST, STATEMENT, 5)
    page.check("a")
    page.behind(3, "a").check("a")

    with pytest.raises(DatabaseChanged, match="since the first 3 rows"):
        page.behind(3, "a").check("b")
