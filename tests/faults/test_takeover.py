"""Whichever door it serves, an instance that takes over opens directory and journal first."""

from pathlib import Path

import pytest

from tests.faults import takeover


@pytest.mark.parametrize("door", takeover.DOORS)
def test_a_takeover_opens_the_directory_and_the_journal(
    door: str, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    takeover.run(door, memory, monkeypatch)
