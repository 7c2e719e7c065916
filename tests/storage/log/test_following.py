"""Reading on in a log: what is far behind comes in pieces."""

import os
from itertools import chain
from pathlib import Path

import pytest

from storage.log import directory, following
from storage.log.chain import Chain
from storage.log.following import Following
from storage.log.log import BEGINNING, Gone, Record
from storage.log.segment import SEALED_BYTES
from tests.storage.log.logs import (
    DEADLINE_S,
    OTHER_ID,
    commit,
    contents,
    log_in,
    newest,
    ready,
)

RECORDS = [bytes([number]) * 1_000 for number in range(1, 10)]


@pytest.fixture
def long(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of nine segments, of which a reader takes about two and a half at once."""
    monkeypatch.setattr(directory, "CAP_BYTES", 1_000)
    monkeypatch.setattr(following, "PIECE_BYTES", 2_500)
    writer = log_in(root)
    for record in RECORDS:
        commit(writer, record)
    return root


def test_who_is_far_behind_reads_in_pieces(long: Path) -> None:
    log = log_in(long)
    pieces = [contents(log.sync(DEADLINE_S))]
    while log.has_more:
        pieces.append(contents(log.sync(DEADLINE_S)))

    assert [*chain(*pieces)] == list(enumerate(RECORDS, 1))
    assert [len(piece) for piece in pieces] == [3, 3, 3]


def test_who_is_far_behind_appends_nothing_before_it_has_read_all(long: Path) -> None:
    log = log_in(long)

    pieces = [len(ready(log))]
    with pytest.raises(AssertionError, match="is read first"):
        log.append(OTHER_ID, b"too early")
    while log.has_more:
        pieces.append(len(ready(log)))
    log.append(OTHER_ID, b"behind")

    assert pieces == [3, 3, 3]
    assert contents(log_in(long, log.place).sync(DEADLINE_S)) == []


def test_what_is_read_before_a_snapshot_is_kept(root: Path) -> None:
    writer = log_in(root)
    commit(writer, b"one")
    ready(writer, seal=True)
    writer.replace(b"01234567")
    chain = Chain(root, None)
    at = Following(chain, at=BEGINNING, now=lambda: 0.0)
    records: list[Record] = []

    with pytest.raises(Gone) as gone:
        at.collect(records, DEADLINE_S)

    assert gone.value.base == b"01234567"
    assert len(records) == 1
    assert (at.place.txid, at.place.epoch) == (1, 2)
    at.close()


def test_a_segment_that_is_sealed_half_way_is_read_to_its_end(long: Path) -> None:
    os.truncate(newest(long), SEALED_BYTES)
    at = Following(Chain(long, None), at=BEGINNING, now=lambda: 0.0)
    records: list[Record] = []
    at.collect(records, DEADLINE_S)
    at.close()

    assert len(records) == len(RECORDS)
