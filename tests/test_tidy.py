"""The repository is tidy; and each rule that says so finds what is planted for it."""

import pytest

from tests import tidy
from tests.mutants import Mutant, mutants

MODULE = "LIMIT = 3\n\n\ndef used() -> int:\n    return 1\n"
LONG = "def long() -> None:\n" + "    pass\n" * 51
PAGE = (
    "`sqlexec/gone.py` `sqlexec.gone.x` `SQLATCH_GONE` `GONE_MAX` `Gone` `gone_by()`, `make gone`"
)

PLANTED: dict[tidy.Rule, tuple[dict[str, str], list[str]]] = {
    tidy.unused_constants: (
        {"sqlexec/a.py": MODULE},
        ["sqlexec/a.py: LIMIT is read nowhere"],
    ),
    tidy.unused_modules: (
        {"sqlexec/a.py": MODULE, "sqlexec/b.py": "", "handler/c.py": "from sqlexec import b"},
        ["sqlexec/a.py: is imported by nobody", "handler/c.py: is imported by nobody"],
    ),
    tidy.long_files: (
        {
            "sqlexec/a.py": "\n" * (tidy.FILE_LINES_MAX + 1),
            "tests/test_a.py": "\n" * (tidy.FILE_LINES_MAX + 1),
        },
        ["sqlexec/a.py: has 301 lines, the limit is 300"],
    ),
    tidy.long_functions: (
        {"sqlexec/a.py": LONG, "tests/test_a.py": LONG.replace("    pass\n", "", 2)},
        ["sqlexec/a.py: long has 52 lines, the limit is 50"],
    ),
    tidy.modules_without_tests: (
        {
            "hrana/a.py": MODULE,
            "hrana/inner/b.py": MODULE,
            "hrana/tested.py": MODULE,
            "tests/hrana/test_tested.py": "",
            "hrana/words.py": "LIMIT = 3",
            "hrana/seam.py": "class A:\n    def a(self) -> int: ...\n",
        },
        [
            "hrana/a.py: its tests are to be in tests/hrana/test_a.py",
            "hrana/inner/b.py: its tests are to be in tests/hrana/inner/test_b.py",
        ],
    ),
    tidy.headless_docstrings: (
        {"sqlexec/a.py": '"""Whether it is."""\n\nWAIT_S = 1\n"""How long to wait."""\n'},
        ["sqlexec/a.py: Whether it is."],
    ),
    tidy.pages_out_of_date: (
        {"sqlexec/a.py": MODULE, "Makefile": "test:  ## run\n", "sqlexec/DESIGN.md": PAGE},
        [
            "sqlexec/DESIGN.md: `sqlexec/gone.py`: there is no such file",
            "sqlexec/DESIGN.md: `sqlexec.gone.x`: there is no such module or name",
            "sqlexec/DESIGN.md: `SQLATCH_GONE`: nothing has that name",
            "sqlexec/DESIGN.md: `GONE_MAX`: nothing has that name",
            "sqlexec/DESIGN.md: `Gone`: nothing has that name",
            "sqlexec/DESIGN.md: `gone_by()`: nothing has that name",
            "sqlexec/DESIGN.md: make gone: the Makefile has no such target",
        ],
    ),
}


@pytest.fixture(scope="module")
def tree() -> tidy.Tree:
    return tidy.repository()


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_the_repository_keeps_the_rule(rule: tidy.Rule, tree: tidy.Tree) -> None:
    assert list(rule(tree)) == []


@pytest.mark.parametrize("rule", PLANTED, ids=lambda rule: rule.__name__)
def test_the_rule_finds_what_breaks_it(rule: tidy.Rule) -> None:
    planted, found = PLANTED[rule]

    assert list(rule(planted)) == found


def test_what_a_page_names_rightly_is_not_found() -> None:
    page = "`sqlexec/a.py` `sqlexec.a.used` `a.py` `LIMIT` `used()` `make test` `random()`"
    tree = {"sqlexec/a.py": MODULE, "Makefile": "test:  ## run\n", "sqlexec/DESIGN.md": page}

    assert list(tidy.pages_out_of_date(tree)) == []


def test_every_mutant_finds_its_place() -> None:
    assert [mutant.place().suffix for mutant in mutants()] == [".py"] * len(mutants())


def test_a_mutant_whose_text_is_gone_is_said() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        Mutant("a fault", "no such text " * 2, "").place()
