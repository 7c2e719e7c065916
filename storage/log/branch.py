"""The state of a moment as a snapshot, with which another database begins."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from itertools import takewhile
from typing import BinaryIO

from storage.engine import Moment, Position, position_text
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, Archive
from storage.log.compaction import Source, merged
from storage.log.log import Gone
from storage.log.pack import Packed
from storage.log.past import History, not_kept
from storage.log.replica import Replica


def branch(
    replica: Replica,
    moment: Moment | None,
    deadline_s: float,
    begin: Callable[[Callable[[Archive, bytes, int], None]], None],
) -> Position:
    """Begin another log, by `begin`, with the state of a moment; return the position of that."""
    history = History(replica)
    if moment is None:
        position = history.newest(deadline_s)
    else:
        position = history.position_at(moment, deadline_s)
    begin(partial(lay_state, history, position, deadline_s=deadline_s))
    return Position(position)


def lay_state(
    history: History, position: int, archive: Archive, base: bytes, last: int, *, deadline_s: float
) -> None:
    """Write the state at a position as the snapshot that another database's log begins behind."""
    with state_at(history, position, deadline_s) as (header, pages):
        first = replace(header, first=1, last=last, at_ms=int(time.time() * 1000))
        pieces = ltx.encode(first, pages, literal=True)
        archive.arriving(base).put(SNAPSHOT_LEVEL, first, pieces)


@contextmanager
def state_at(history: History, position: int, deadline_s: float) -> Iterator[Source]:
    """Give every page of the database as it was at a position, one after the other; BadEvent."""
    start = history.start_at(position)
    last = start.last if start else 0
    files = [start.snapshot, *start.tail] if start else []
    records: list[Packed] = []
    try:
        if last < position:
            behind = history.behind(last, deadline_s)
            records = list(takewhile(lambda record: record.txid <= position, behind))
    except Gone as gone:
        raise not_kept(history.name, f"no position {position_text(position)}") from gone
    if (records[-1].txid if records else last) != position:
        raise not_kept(history.name, f"no position {position_text(position)}")
    with history.archive.opened(files) as streams:
        yield merged([ltx.scan(each) for each in [*streams, *_streams(records)]])


def _streams(records: list[Packed]) -> list[BinaryIO]:
    return [BytesIO(record.content) for record in records]
