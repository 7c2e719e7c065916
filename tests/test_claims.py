"""The absolute sentences of the pages: docs/claims.toml lists each, with the tests that hold it."""

import re
import tomllib
from collections.abc import Iterator

import pytest

from tests.cloudformation import ROOT

WORDS = re.compile(
    r"\b(?:never|always|nothing|nobody|in all|or none|every|whatever)\b", re.IGNORECASE
)
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
END = re.compile(r"(?<=[.:;!?])\*{0,2} ")

SECURITY = "../SECURITY.md"
CLAIMS = tomllib.loads((ROOT / "docs" / "claims.toml").read_text())


def sentences(text: str) -> Iterator[str]:
    """The sentences between two marks, in a cell of a table or in a paragraph."""
    for line in CODE.sub("", text).splitlines():
        for cell in line.strip("| ").split(" | ") if line.startswith("|") else [line]:
            for sentence in END.split(cell):
                yield sentence.strip("-*# ")


def absolute(page: str) -> list[str]:
    text = (ROOT / "docs" / page).read_text()
    return [sentence for sentence in sentences(text) if WORDS.search(sentence)]


def protected(page: str) -> list[str]:
    """The first cell of each row of SECURITY.md: a protection is listed in any words."""
    if page != SECURITY:
        return []
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    return rows[1:]


@pytest.mark.parametrize("page", CLAIMS)
def test_each_absolute_sentence_of_a_page_is_listed_as_it_stands(page: str) -> None:
    assert sorted(CLAIMS[page]) == sorted({*absolute(page), *protected(page)})


@pytest.mark.parametrize("page", CLAIMS)
def test_each_test_that_holds_a_sentence_is_there(page: str) -> None:
    for sentence, tests in CLAIMS[page].items():
        assert tests, sentence
        for test in tests:
            file, _, name = test.partition("::")
            content = (ROOT / file).read_text()
            assert re.search(rf"^def {name}\(", content, re.MULTILINE), (sentence, test)


def test_a_sentence_is_found_wherever_it_stands() -> None:
    page = "A. It never ends: so. \n| it always is | no |\n- **Nothing** is.\n```\nnever\n```\n"

    assert [one for one in sentences(page) if WORDS.search(one)] == [
        "It never ends:",
        "it always is",
        "Nothing** is.",
    ]
