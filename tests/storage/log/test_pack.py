"""Packs: records as they were appended, in a directory."""

from pathlib import Path

import pytest

from storage.log.ltx import Damaged
from storage.log.pack import Packs, decode, encode
from tests.storage.log import histories
from tests.storage.log.histories import History


@pytest.fixture
def history(tmp_path: Path) -> History:
    history = histories.begun(tmp_path / "main.db")
    for _ in range(5):
        history.fill(20)
    return history


@pytest.fixture
def packs(tmp_path: Path) -> Packs:
    return Packs(tmp_path / "ltx" / "history")


def test_records_are_read_with_their_numbers_and_times(history: History, packs: Packs) -> None:
    packs.keep(history.records[1:4])
    packs.keep(history.records[4:])

    first, second = packs.all()
    assert (first.first, first.last, first.latest_ms) == (2, 4, history.at_ms(4))
    found = [*packs.read(first), *packs.read(second)]
    assert [record.txid for record in found] == [2, 3, 4, 5, 6]
    assert [record.at_ms for record in found] == [history.at_ms(n) for n in range(2, 7)]
    assert [record.content for record in found] == history.records[1:]


def test_the_same_records_make_one_pack(history: History, packs: Packs) -> None:
    packs.keep(history.records)
    packs.keep(history.records)

    assert len(packs.all()) == 1


def test_only_packs_of_old_transactions_are_deleted(history: History, packs: Packs) -> None:
    for record in history.records:
        packs.keep([record])

    packs.delete_before(history.at_ms(4) / 1000)

    assert [pack.last for pack in packs.all()] == [4, 5, 6]


def test_one_that_was_deleted_meanwhile_has_nothing(history: History, packs: Packs) -> None:
    packs.keep(history.records)
    [pack] = packs.all()
    packs.delete_before(float("inf"))

    assert packs.read(pack) == []


def test_one_that_is_not_whole_is_damaged(history: History) -> None:
    content = encode(history.records)

    for wrong in (
        b"",
        content[:10],
        content[:40],
        content[:-1],
        content + b"1",
        b"X" + content[1:],
    ):
        with pytest.raises(Damaged, match="not whole"):
            decode(wrong, 1)
