"""Where a copy stands outlives its process, and not its machine."""

from pathlib import Path

import pytest

from storage.log.bookmark import Bookmark
from storage.log.log import BEGINNING, Place

PLACE = Place(epoch=3, offset=4096, txid=17)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pos"


def bookmarked(path: Path) -> Bookmark:
    bookmark = Bookmark(path)
    bookmark.reset()
    bookmark.log_id = b"0123456789abcdef"
    bookmark.commit(PLACE)
    return bookmark


def test_of_a_new_file_nothing_is_known(path: Path) -> None:
    assert not Bookmark(path).is_known
    assert Bookmark(path).place == BEGINNING


def test_the_file_is_allocated(path: Path) -> None:
    """The store into a hole would end the process when the disk is full."""
    Bookmark(path)

    assert path.stat().st_blocks > 0


def test_the_next_process_finds_where_the_copy_stands(path: Path) -> None:
    bookmarked(path)

    found = Bookmark(path)
    assert (found.is_known, found.is_clean) == (True, True)
    assert (found.place, found.log_id) == (PLACE, b"0123456789abcdef")


def test_a_copy_is_torn_from_the_first_record_until_the_last_is_applied(path: Path) -> None:
    bookmark = bookmarked(path)

    bookmark.begin(19)
    assert not Bookmark(path).is_clean
    bookmark.reach(Place(3, 5000, 18))
    assert (Bookmark(path).is_clean, Bookmark(path).place.txid) == (False, 18)
    bookmark.reach(Place(3, 6000, 19))
    assert (Bookmark(path).is_clean, Bookmark(path).target) == (True, 19)


def test_nothing_is_known_of_a_copy_of_another_boot(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookmarked(path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda _path: b"0123456789abcdef")
        found = Bookmark(path)

    assert (found.is_known, found.place) == (False, BEGINNING)


def test_nothing_is_known_where_a_byte_is_another(path: Path) -> None:
    """As where the process was killed while it wrote."""
    bookmarked(path)
    content = path.read_bytes()

    for offset in range(len(content)):
        path.write_bytes(content[:offset] + bytes([content[offset] ^ 1]) + content[offset + 1 :])
        assert (Bookmark(path).is_known, Bookmark(path).place) == (False, BEGINNING)
