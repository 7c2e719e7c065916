"""The end of a log in memory: what it keeps, and what it asks the log for."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from storage.follower import tail
from storage.follower.tail import Tail
from storage.log.archive import Archive
from storage.log.directory import DirectoryLog
from storage.log.log import Gone, Place
from tests.storage.log.logs import OTHER_ID, commit, contents, log_in

UNTIL_S = 0.0
DEADLINE_S = 10.0


class Opened:
    """How often the log was opened at a place of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places: list[int] = []

    def __call__(self, place: Place, log_id: bytes | None) -> DirectoryLog:
        self.places.append(place.txid)
        return log_in(self.root, place, database_id=log_id)


@pytest.fixture
def opened(root: Path) -> Opened:
    return Opened(root)


@pytest.fixture
def end(opened: Opened, tmp_path: Path) -> Tail:
    archive = Archive(tmp_path / "ltx")
    return Tail(opened, archive, poll_s=0.001, now=lambda: 0.0, sleep=lambda _s: None)


def behind(end: Tail, after: int, log_id: bytes | None = None) -> list[tuple[int, bytes]]:
    found = end.behind(after, log_id, until_s=UNTIL_S, deadline_s=DEADLINE_S)
    return contents(found.records)


def test_followers_at_the_end_share_one_place_in_the_log(
    root: Path, end: Tail, opened: Opened
) -> None:
    commit(log_in(root), b"one", b"two")
    assert behind(end, 0) == [(1, b"one"), (2, b"two")]
    commit(log_in(root), b"three")
    for after in (2, 1, 0):
        assert behind(end, after) == [(1, b"one"), (2, b"two"), (3, b"three")][after:]
    assert behind(end, 3) == []
    assert opened.places == [0]


def test_who_is_far_behind_is_read_to_apart(
    root: Path, end: Tail, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "PIECE_BYTES", 4)
    commit(log_in(root), b"one", b"two", b"three")
    assert behind(end, 2) == [(3, b"three")]
    assert behind(end, 0)[0] == (1, b"one")
    assert behind(end, 1)[0] == (2, b"two")
    assert opened.places == [2, 0, 1]


def test_nothing_is_left_out_where_more_comes_than_is_kept(
    root: Path, end: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(log_in(root), b"one")
    assert behind(end, 0) == [(1, b"one")]
    monkeypatch.setattr(tail, "PIECE_BYTES", 4)
    commit(log_in(root), *(b"%d" % n for n in range(20)))
    after = 1
    while found := behind(end, after):
        assert [txid for txid, _content in found] == list(range(after + 1, found[-1][0] + 1))
        after = found[-1][0]
    assert after == 21


def test_records_do_not_wait_for_a_part_of_a_file(
    root: Path, end: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_read, may_end = Event(), Event()

    class Far:
        def read(self, _offset: int, _length: int) -> bytes:
            is_read.set()
            may_end.wait()
            return b"part"

    monkeypatch.setattr(end, "_opened", lambda _path, _base: Far())
    commit(log_in(root), b"one")
    with ThreadPoolExecutor() as threads:
        part = threads.submit(end.part, "file", b"", 0, 4)
        is_read.wait()
        try:
            assert threads.submit(behind, end, 0).result(timeout=20) == [(1, b"one")]
        finally:
            may_end.set()
        assert part.result() == b"part"


def test_a_copy_of_another_log_is_told_to_begin_anew(root: Path, end: Tail) -> None:
    commit(log_in(root), b"one")
    assert behind(end, 0)
    with pytest.raises(Gone):
        behind(end, 1, OTHER_ID)
    with pytest.raises(Gone):
        behind(Tail(Opened(root), Archive(root), poll_s=1), 1, OTHER_ID)
