"""The form of CHANGELOG.md, which `make release` reads."""

import re
from itertools import pairwise

from sqlatch import __version__
from tests.cloudformation import ROOT

CHANGES = (ROOT / "CHANGELOG.md").read_text()
GROUPS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
VERSIONS = re.findall(r"^## (.+)$", CHANGES, re.MULTILINE)


def test_each_version_has_a_date_and_the_newest_stands_first() -> None:
    unreleased, *released = VERSIONS
    numbers = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - \d{4}-\d\d-\d\d", one) for one in released]

    assert unreleased == "Unreleased"
    assert all(numbers), released
    versions = [tuple(map(int, one.groups())) for one in numbers if one]
    assert all(newer > older for newer, older in pairwise(versions))
    assert __version__ == ".".join(map(str, versions[0]))


def test_the_changes_of_a_version_stand_in_their_groups() -> None:
    for section in re.split(r"^## .+\n", CHANGES, flags=re.MULTILINE)[1:]:
        before, *groups = re.split(r"^### ", section, flags=re.MULTILINE)
        names = [group.splitlines()[0] for group in groups]

        assert not before.strip(), before
        assert names == [name for name in GROUPS if name in names], names
        for group in groups:
            lines = [line for line in group.splitlines()[1:] if line]
            assert lines
            assert all(line.startswith("- ") for line in lines), lines


def test_no_change_is_told_twice() -> None:
    lines = [line for line in CHANGES.splitlines() if line.startswith("- ")]

    assert sorted(lines) == sorted(set(lines))
