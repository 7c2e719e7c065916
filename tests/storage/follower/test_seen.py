"""The position that callers of a machine were told, in a file that its processes share."""

from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.follower.seen import Seen


def test_all_processes_know_the_greatest_position(tmp_path: Path) -> None:
    one, other = Seen(tmp_path / "main.seen"), Seen(tmp_path / "main.seen")
    assert one.position == 0
    one.note(7)
    other.note(3)
    assert (one.position, other.position) == (7, 7)
    other.forget(7)
    assert one.position == 0


def test_a_position_that_was_noted_meanwhile_is_not_forgotten(tmp_path: Path) -> None:
    one, other = Seen(tmp_path / "main.seen"), Seen(tmp_path / "main.seen")
    one.note(7)
    other.note(8)
    one.forget(7)
    assert one.position == 8


def test_it_outlives_its_process(tmp_path: Path) -> None:
    Seen(tmp_path / "main.seen").note(1 << 40)
    assert Seen(tmp_path / "main.seen").position == 1 << 40


def test_where_a_position_cannot_be_noted_what_was_answered_may_be_a_write(tmp_path: Path) -> None:
    seen = Seen(tmp_path / "main.seen")
    (tmp_path / "main.seen").unlink()

    for refused in (lambda: seen.note(7), lambda: Seen(tmp_path / "nowhere" / "main.seen")):
        with pytest.raises(StorageError, match=r"No such file .*main\.seen") as error:
            refused()
        assert error.value.facts["outcome"] == "unknown"
