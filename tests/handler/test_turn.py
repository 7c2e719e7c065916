"""Whose turn it is at the reaper, remembered beside the databases."""

from pathlib import Path

import pytest

from handler.turn import FILE, Turn
from sqlatch.kernel.errors import StorageError

NAMES = ["a", "b", "c", "d"]


def test_the_first_run_begins_with_the_first_name(tmp_path: Path) -> None:
    assert Turn(tmp_path).order(NAMES) == NAMES


@pytest.mark.parametrize(
    ("served", "order"),
    [
        ("a", ["b", "c", "d", "a"]),
        ("c", ["d", "a", "b", "c"]),
        ("d", NAMES),
        ("bb", ["c", "d", "a", "b"]),
        ("zzz", NAMES),
    ],
)
def test_the_names_behind_the_one_served_last_come_first(
    tmp_path: Path, served: str, order: list[str]
) -> None:
    Turn(tmp_path).served(served)

    assert Turn(tmp_path).order(NAMES) == order, "a new process goes on"


def test_a_file_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"\xff" * 1_000)
    assert sorted(Turn(tmp_path).order(NAMES)) == NAMES

    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    assert Turn(tmp_path).order(NAMES) == NAMES


def test_a_file_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="the reaper's turn"):
        Turn(tmp_path / "gone").served("a")


def test_no_database_has_the_first_turn_and_the_last() -> None:
    assert Turn(Path("/nowhere")).order([]) == []
