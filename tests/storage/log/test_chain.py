"""The chain of segments: where it begins, and that no name comes back."""

from pathlib import Path
from typing import Any

import pytest

from storage.log.chain import Chain
from storage.log.log import Gone, Place
from storage.log.segment import Segment
from tests.storage.log.logs import BASE, DEADLINE_S, ID, commit, contents, everything, log_in, ready


def test_a_log_begins_behind_a_snapshot(root: Path) -> None:
    log = log_in(root)
    log.begin(41, BASE)

    assert log.is_there()[0]
    with pytest.raises(FileExistsError):
        log_in(root).begin(41, BASE)
    with pytest.raises(Gone):
        log.sync(DEADLINE_S)
    behind = log_in(root, Place(0, 0, 41))
    commit(behind, b"next")
    assert contents(log_in(root, Place(0, 0, 41)).sync(DEADLINE_S)) == [(42, b"next")]


def test_a_log_without_records_can_still_begin_behind_a_snapshot(root: Path) -> None:
    waiting = log_in(root)
    ready(waiting)

    log_in(root).begin(41, BASE)

    with pytest.raises(Gone):
        waiting.sync(DEADLINE_S)
    with pytest.raises(FileExistsError):
        log_in(root).begin(41, BASE)
    commit(log_in(root, Place(0, 0, 41)), b"next")
    with pytest.raises(FileExistsError):
        log_in(root).begin(41, BASE)


def test_a_log_with_records_does_not_begin_again(root: Path) -> None:
    commit(log_in(root), b"one")

    with pytest.raises(FileExistsError):
        log_in(root).begin(41, BASE)

    assert everything(root) == [(1, b"one")]


def test_old_segments_are_removed_and_who_needs_them_is_told(root: Path) -> None:
    log = log_in(root)
    for value in (b"one", b"two", b"three"):
        commit(log, value, value * 2, seal=True)
    copies = [log_in(root, record.end) for record in log_in(root).sync(DEADLINE_S)]
    settled = log.segments()

    log.remove([each.epoch for each in settled if each.last_txid <= 3])

    spans = [(each.epoch, each.first_txid, each.last_txid) for each in settled]
    assert spans == [(1, 1, 2), (2, 3, 4)]
    assert [each.path for each in log.segments()] == [root / f"{2:016x}.seg"]
    with pytest.raises(Gone):
        log_in(root).sync(DEADLINE_S)
    with pytest.raises(Gone):
        log_in(root, Place(0, 0, 1)).sync(DEADLINE_S)
    with pytest.raises(Gone):
        copies[0].sync(DEADLINE_S)
    assert len(copies[2].sync(DEADLINE_S)) == 3
    assert len(log_in(root, Place(0, 0, 2)).sync(DEADLINE_S)) == 4
    assert len(log_in(root, Place(0, 0, 4)).sync(DEADLINE_S)) == 2


@pytest.mark.parametrize("step", ["_header_file", "refresh", "_link"])
def test_a_name_that_was_removed_does_not_come_back(root: Path, step: str) -> None:
    """A sealer is frozen at one of its steps until the name that it is to link was removed."""
    frozen, other = log_in(root), log_in(root)
    commit(frozen, b"one")
    go_on = getattr(Chain, step)

    with pytest.MonkeyPatch.context() as patched:

        def go_on_later(*arguments: Any) -> Any:
            patched.undo()
            commit(other, b"two", seal=True)
            commit(other, b"three", seal=True)
            other.remove([each.epoch for each in other.segments()])
            return go_on(*arguments)

        patched.setattr(Chain, step, go_on_later)
        with pytest.raises(Gone, match="was removed"):
            ready(frozen, seal=True)

    assert [each.name for each in root.iterdir()] == [f"{other.place.epoch:016x}.seg"]


def test_a_first_segment_that_was_removed_does_not_come_back(root: Path) -> None:
    frozen, other = log_in(root), log_in(root)
    go_on = Chain._link

    with pytest.MonkeyPatch.context() as patched:

        def go_on_later(*arguments: Any) -> bool:
            patched.undo()
            commit(other, b"one")
            commit(other, b"two", seal=True)
            other.remove([1])
            return go_on(*arguments)

        patched.setattr(Chain, "_link", go_on_later)
        with pytest.raises(Gone, match="was removed"):
            ready(frozen)

    assert [each.name for each in root.iterdir()] == [f"{2:016x}.seg"]


def test_only_the_oldest_of_several_segments_is_removed(root: Path) -> None:
    log = log_in(root)
    commit(log, b"one")
    commit(log, b"two", seal=True)

    for epochs in ([2], [1, 2], [7]):
        with pytest.raises(ValueError, match="is not the oldest of several"):
            log.remove(epochs)

    assert [path.name for path in root.iterdir()] == [f"{2:016x}.seg"]


def test_what_is_appended_up_to_the_mark_is_behind_the_seal(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The appender saw no mark, so it was told that its record is in the log."""
    writer, sealer = log_in(root), log_in(root)
    commit(writer, b"one")
    ready(writer)
    mark = Segment.mark

    def mark_later(segment: Segment) -> None:
        monkeypatch.undo()
        writer.append(ID, b"two")
        mark(segment)

    monkeypatch.setattr(Segment, "mark", mark_later)
    ready(sealer, seal=True)

    assert everything(root) == [(1, b"one"), (2, b"two")]


def test_a_log_whose_first_record_comes_meanwhile_does_not_begin_behind_a_snapshot(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = log_in(root)
    ready(writer)
    mark = Segment.mark

    def mark_later(segment: Segment) -> None:
        monkeypatch.undo()
        writer.append(ID, b"one")
        mark(segment)

    monkeypatch.setattr(Segment, "mark", mark_later)
    with pytest.raises(FileExistsError):
        log_in(root).begin(41, BASE)

    assert everything(root) == [(1, b"one")]
