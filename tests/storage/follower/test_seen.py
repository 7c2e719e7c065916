"""The position that callers of a machine were told, in a file that its processes share."""

from pathlib import Path

from storage.follower.seen import Seen


def test_all_processes_know_the_greatest_position(tmp_path: Path) -> None:
    one, other = Seen(tmp_path / "main.seen"), Seen(tmp_path / "main.seen")
    assert one.position == 0
    one.note(7)
    other.note(3)
    assert (one.position, other.position) == (7, 7)
    other.forget()
    assert one.position == 0


def test_it_outlives_its_process(tmp_path: Path) -> None:
    Seen(tmp_path / "main.seen").note(1 << 40)
    assert Seen(tmp_path / "main.seen").position == 1 << 40
