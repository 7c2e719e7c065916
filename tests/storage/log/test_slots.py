"""Each process of a machine has a slot of its own, and takes what a dead one left in its slot."""

from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.slots import Slot


def taken(tmp_path: Path, address: str = "here") -> Slot:
    slot = Slot(address, tmp_path / "copies")
    (slot.path / "copy").touch()
    return slot


def slots(tmp_path: Path) -> list[str]:
    return sorted(path.parent.name for path in tmp_path.glob("copies/*/*/*/copy"))


def test_no_two_processes_share_a_slot(tmp_path: Path) -> None:
    first, second = taken(tmp_path), taken(tmp_path)
    assert slots(tmp_path) == ["0", "1"]

    del first
    third = taken(tmp_path)

    assert slots(tmp_path) == ["0", "1"]
    del second, third


def test_logs_elsewhere_have_slots_of_their_own(tmp_path: Path) -> None:
    first, second = taken(tmp_path), taken(tmp_path, "elsewhere")

    assert slots(tmp_path) == ["0", "0"]
    del first, second


def test_a_directory_of_copies_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "copies").write_text("a file")

    with pytest.raises(StorageError, match="directory of the copies"):
        taken(tmp_path)
