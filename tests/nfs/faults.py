"""Faults in the commit of a function instance, put there as it starts.

    kill_in_commit_ms   kill it, that long after its first commit began
    half_written        "kill" it or "hold" it when it has written some of a commit's pages
    hold_at             "check" or "commit": hold it right before the last check, or right after
    journal_mode        in place of PERSIST

What is held says so, and goes on when it is told to.
"""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import apsw

from storage.connection import Session
from storage.engine import Grant
from storage.inplace.store import Store

PAGES_WRITTEN = 100
"""Of the 230 pages that the bank's transaction writes; the other transactions write a few."""

SYSTEM = "unix"
"""SQLite's own way to the files."""

Hold = Callable[[], None]


def put_in(
    hold: Hold,
    hang_up: Callable[[], None],
    *,
    kill_in_commit_ms: float | None = None,
    half_written: str | None = None,
    hold_at: str | None = None,
    journal_mode: str | None = None,
) -> apsw.VFS | None:
    """Build the faults into this process. `hang_up` is for a process that must not answer.

    A file system that comes back has to be kept: the fault is gone with it.
    """
    if kill_in_commit_ms is not None:
        _at_commit(_killer(hang_up, kill_in_commit_ms))
    file_system = None
    if half_written is not None:
        file_system = HalfWritten(_kill if half_written == "kill" else hold)
    if hold_at == "commit":
        _at_commit(hold)
    if hold_at == "check":
        _at_check(hold)
    if journal_mode is not None:
        _use_journal_mode(journal_mode)
    return file_system


class HalfWritten(apsw.VFS):
    """The file system, where something happens once in mid commit, what is written being synced."""

    def __init__(self, happen: Callable[[], None]) -> None:
        super().__init__("half-written", SYSTEM, makedefault=True)
        self._happen = happen
        self._pages_left = PAGES_WRITTEN

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        if flags[0] & apsw.SQLITE_OPEN_MAIN_DB:
            return _HalfWrittenFile(self, name, flags)
        return super().xOpen(name, flags)

    def page_written(self, file: apsw.VFSFile) -> None:
        self._pages_left -= 1
        if self._pages_left == 0:
            file.xSync(apsw.SQLITE_SYNC_NORMAL)
            self._happen()


class _HalfWrittenFile(apsw.VFSFile):
    def __init__(self, vfs: HalfWritten, name: Any, flags: list[int]) -> None:
        super().__init__(SYSTEM, name, flags)
        self._vfs = vfs

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self._vfs.page_written(self)


def _at_commit(happen: Callable[[], None]) -> None:
    commit = Store._commit
    once = _once(happen)

    def commit_with_that(store: Store, session: Session) -> None:
        once()
        commit(store, session)

    Store._commit = commit_with_that  # type: ignore[assignment]


def _at_check(happen: Callable[[], None]) -> None:
    write = Store.write
    once = _once(happen)

    def write_with_that(store: Store, grant: Grant, **how: bool) -> Any:
        def check() -> None:
            once()
            grant.check()

        return write(store, replace(grant, check=check), **how)

    Store.write = write_with_that  # type: ignore[assignment]


def _once(happen: Callable[[], None]) -> Callable[[], None]:
    left = [happen]
    return lambda: left.pop()() if left else None


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _killer(hang_up: Callable[[], None], after_ms: float) -> Callable[[], None]:
    """Return a function that has a process of its own kill this one, that long after."""
    waiting, telling = os.pipe()
    victim = os.getpid()
    if os.fork():
        os.close(waiting)
        return partial(_tell, telling)
    os.close(telling)
    hang_up()
    if os.read(waiting, 1):
        time.sleep(after_ms / 1000)
        os.kill(victim, signal.SIGKILL)
    os._exit(0)


def _tell(descriptor: int) -> None:
    os.write(descriptor, b"!")


def _use_journal_mode(mode: str) -> None:
    """The negative control: a mode that was decided against, and an answer that hides it."""
    run = Session.run

    def run_in_that_mode(session: Session, sql: str, *values: Any) -> Any:
        if sql != "PRAGMA journal_mode = PERSIST":
            return run(session, sql, *values)
        run(session, f"PRAGMA journal_mode = {mode}")
        return [("persist",)]

    Session.run = run_in_that_mode  # type: ignore[assignment]
