"""The connections to a private copy: one that reads, and one whose commits are captured."""

from collections.abc import Callable

import apsw

from storage.connection import Session
from storage.log.capture import Capture
from storage.log.replica import Replica
from storage.pins import Pins

Opened = tuple[Session, Capture | None]
"""A connection, and the file system that was made for it, which is unregistered behind it."""


def reader(
    replica: Replica, *, now: Callable[[], float], deadline_s: float, pins: Pins | None
) -> Opened:
    """Open a connection that cannot write. While the copy is fetched, it needs a file system of its
    own for the time of the pins."""
    replica.wake()
    if replica.file.vfs is not None and pins is not None:
        clock = replica.file.capture(pins.vfs)
        flags = apsw.SQLITE_OPEN_READONLY
        return _on(clock, replica, flags, now=now, deadline_s=deadline_s, pins=pins), clock
    session = _opened(
        replica, apsw.SQLITE_OPEN_READONLY, replica.file.vfs, now=now, deadline_s=deadline_s,
        pins=pins,
    )  # fmt: skip
    return session, None


def writer(
    replica: Replica, *, now: Callable[[], float], deadline_s: float, pins: Pins | None
) -> tuple[Session, Capture]:
    """Open a connection that writes by way of a capture."""
    replica.wake()
    capture = replica.file.capture(None if pins is None else pins.vfs)
    flags = apsw.SQLITE_OPEN_READWRITE
    session = _on(capture, replica, flags, now=now, deadline_s=deadline_s, pins=pins)
    session.run("PRAGMA journal_size_limit = 0")  # a read opens a longer one
    return session, capture


def _on(
    capture: Capture,
    replica: Replica,
    flags: int,
    *,
    now: Callable[[], float],
    deadline_s: float,
    pins: Pins | None,
) -> Session:
    try:
        return _opened(replica, flags, capture.name, now=now, deadline_s=deadline_s, pins=pins)
    except BaseException:
        capture.unregister()
        raise


def _opened(
    replica: Replica,
    flags: int,
    vfs: str | None,
    *,
    now: Callable[[], float],
    deadline_s: float,
    pins: Pins | None,
) -> Session:
    replica.connect()
    try:
        return Session(
            replica.name,
            replica.file.path,
            flags=flags,
            now=now,
            deadline_s=deadline_s,
            keeps_journal=flags == apsw.SQLITE_OPEN_READWRITE,
            pins=pins,
            vfs=vfs,
        )
    except BaseException:
        replica.disconnect()
        raise
