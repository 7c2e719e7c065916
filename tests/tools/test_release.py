"""The checks that keep a tree from being released; `make release` itself builds for minutes."""

import pytest

from tools import release
from tools.release import NotReady

READY = """# Changes

## Unreleased

## 1.2.0 - 2030-01-31

### Fixed

- A.

## 1.1.9 - 2029-01-31
"""


def test_a_version_that_is_described_and_not_yet_tagged_is_ready() -> None:
    release.check_version("1.2.0", READY, ["v1.1.9"])
    release.check_tree("")


@pytest.mark.parametrize(
    ("version", "changes", "tags", "reason"),
    [
        ("1.3.0", READY, [], "is 1.2.0 and sqlatch.__version__ is 1.3.0; make them the same"),
        ("1.1.9", READY, [], "is 1.2.0 and sqlatch.__version__ is 1.1.9"),
        ("1.2.0", READY, ["v1.2.0"], "the tag v1.2.0 is there already"),
        ("1.2.0", "# Changes\n", [], "is none and"),
        (
            "1.2.0",
            READY.replace("## Unreleased\n", "## Unreleased\n\n### Added\n\n- B.\n"),
            [],
            "move them under a new heading: ## 1.2.0 - YYYY-MM-DD",
        ),
    ],
)
def test_a_version_that_is_not_ready_says_the_next_step(
    version: str, changes: str, tags: list[str], reason: str
) -> None:
    with pytest.raises(NotReady) as raised:
        release.check_version(version, changes, tags)

    assert reason in str(raised.value)


def test_a_tree_with_changes_is_not_released() -> None:
    with pytest.raises(NotReady) as raised:
        release.check_tree(" M README.md\n?? new.py\n")

    assert str(raised.value).endswith("remove them:\n M README.md\n?? new.py")


def test_a_command_that_fails_is_named() -> None:
    with pytest.raises(NotReady) as raised:
        release._run("false", "check")

    assert str(raised.value) == "this failed: false check"
