"""The state of a moment as a snapshot, with which another database begins."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from tempfile import TemporaryFile
from typing import IO

from sqlatch.kernel.errors import Timeout
from storage.engine import Moment, Position, position_text
from storage.log import ltx
from storage.log.archive import SNAPSHOT_LEVEL, Archive
from storage.log.compaction import Source, merged
from storage.log.copy_file import told
from storage.log.history import History, not_kept
from storage.log.log import Gone
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
    history: History,
    position: int,
    archive: Archive,
    base: bytes,
    last: int,
    *,
    deadline_s: float,
) -> None:
    """Write the state at a position as the snapshot that another database's log begins behind."""
    with state_at(history, position, deadline_s) as (header, pages):
        first = replace(header, first=1, last=last, at_ms=int(time.time() * 1000))
        pieces = _in_time(ltx.encode(first, pages, literal=True), deadline_s)
        archive.arriving(base).put(SNAPSHOT_LEVEL, first, pieces)


def _in_time(pieces: Iterator[bytes], deadline_s: float) -> Iterator[bytes]:
    for piece in pieces:
        if time.time() >= deadline_s:
            raise Timeout("the state was not written by the deadline; give the request more time")
        yield piece


@contextmanager
def state_at(history: History, position: int, deadline_s: float) -> Iterator[Source]:
    """Give every page of the database as it was at a position, one after the other; BadEvent."""
    start = history.start_at(position)
    last = start.last if start else 0
    files = [start.snapshot, *start.tail] if start else []
    with (
        _spooled(history, last, position, deadline_s) as spooled,
        history.archive.opened(files) as streams,
    ):
        yield merged([ltx.scan(each) for each in [*streams, *spooled]])


@contextmanager
def _spooled(
    history: History, txid: int, position: int, deadline_s: float
) -> Iterator[list[IO[bytes]]]:
    """Give what leads from a transaction to a position in merged files on the local disk, each of a
    piece: memory is that of one."""
    with ExitStack() as stack:
        files: list[IO[bytes]] = []
        while txid < position:
            try:
                records = history.piece(txid, position, deadline_s)
            except Gone as gone:
                raise not_kept(history.name, f"no position {position_text(position)}") from gone
            sources = [ltx.scan(BytesIO(record.content)) for record in records]
            with told(history.name):
                files.append(stack.enter_context(TemporaryFile(dir=history.scratch)))
                files[-1].writelines(ltx.encode(*merged(sources)))
                files[-1].seek(0)
            txid = records[-1].txid
        yield files
