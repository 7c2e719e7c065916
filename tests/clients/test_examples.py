"""The examples of two pages, each run as it stands there against the local server."""

import re

import pytest

from tests.clients.conftest import ROOT, Run

pytestmark = pytest.mark.clients

SQLALCHEMY = (
    "## sqlatch and SQLAlchemy\n" + (ROOT / "docs/sqlalchemy.md").read_text().split("|\n\n", 1)[1]
)

EXAMPLES = re.findall(
    r"^## (.+?)\n(?:(?!^## ).)*?```(js|python|sh)\n((?:(?!```).)*)```\n\n```text\n(.*?)```",
    (ROOT / "docs/clients.md").read_text() + SQLALCHEMY,
    re.DOTALL | re.MULTILINE,
)


@pytest.mark.parametrize(
    ("language", "program", "printed"),
    [example[1:] for example in EXAMPLES],
    ids=[example[0] for example in EXAMPLES],
)
def test_an_example_prints_what_the_page_says(
    language: str, program: str, printed: str, run: Run
) -> None:
    for _round in range(2):
        assert run(language, program) == printed


def test_the_page_has_an_example_of_each_client() -> None:
    assert len(EXAMPLES) == 9
