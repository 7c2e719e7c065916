"""The comparison of Django's own suite on two backends: what it lets pass, and what it does not."""

import pytest

from tests.django import suite

pytestmark = pytest.mark.django

CASES = [
    ("passed", "passed", None, True),
    ("skipped", "passed", None, True),
    ("passed", "error", "error", True),
    ("skipped", "skipped", "skipped", True),
    ("passed", "error", None, False),
    ("passed", "skipped", None, False),
    ("passed", None, None, False),
    (None, "passed", None, False),
    ("passed", "failed", "error", False),
    ("passed", "passed", "error", False),
]


@pytest.mark.parametrize(("stock", "ours", "listed", "is_right"), CASES)
def test_a_difference_is_as_listed_or_fails(
    stock: str | None, ours: str | None, listed: str | None, is_right: bool
) -> None:
    def of(ending: str | None) -> dict[str, str]:
        return {} if ending is None else {"a.Test.test_b": ending}

    assert (suite.compare(of(stock), of(ours), of(listed)) == []) is is_right


def test_the_list_names_tests_of_labels_that_are_run() -> None:
    labels = {test.partition(".")[0] for test in suite.listed()}

    assert labels <= set(suite.REMOTE)
    assert set(suite.listed().values()) <= {"error", "failed", "skipped"}
