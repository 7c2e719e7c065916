"""Logs for the tests: how to write to one, and what one who comes new finds in it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sqlatch.kernel import nfs
from storage.engine import Store, Table
from storage.log import files, segment
from storage.log.directory import DirectoryLog
from storage.log.log import BEGINNING, Place, Record
from tests.grants import granted

DEADLINE_S = 10.0

OURS = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")


ID = b"0123456789abcdef"
BASE = b"01234567"


OTHER_ID = b"fedcba9876543210"


def log_in(root: Path, at: Place = BEGINNING, **options: Any) -> DirectoryLog:
    return DirectoryLog(root, at=at, now=lambda: 0.0, **options)


def contents(records: list[Record]) -> list[tuple[int, bytes]]:
    return [(record.txid, record.content) for record in records]


fences = count(1)


def ready(log: DirectoryLog, *, seal: bool = False) -> list[Record]:
    """Take the lease, over if `seal`, and prepare to append."""
    return log.ready(DEADLINE_S, fence=next(fences), seal=seal)


def commit(log: DirectoryLog, *values: bytes, seal: bool = False) -> None:
    ready(log, seal=seal)
    for value in values:
        log.append(ID, value)


def everything(root: Path) -> list[tuple[int, bytes]]:
    """Return what one who comes new finds in the log."""
    return contents(log_in(root).sync(DEADLINE_S))


def newest(root: Path) -> Path:
    return max(root.glob("*.seg"))


def write(path: Path, offset: int, content: bytes) -> None:
    with path.open("r+b") as opened:
        opened.seek(offset)
        opened.write(content)


def altered(content: bytes, offset: int) -> bytes:
    return content[:offset] + bytes([content[offset] ^ 0x10]) + content[offset + 1 :]


@contextmanager
def counted_calls() -> Iterator[list[str]]:
    """The system calls by which segments are read, written and looked at, in order."""
    calls: list[str] = []

    def noting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any) -> Any:
            calls.append(name)
            return call(*arguments)

        return noted

    counted = {name: noting(name, each) for name, each in vars(os).items() if callable(each)}
    libc = files._libc()
    asking = noting("statx", libc.statx)

    def statx(descriptor: int, path: bytes, flags: int, *rest: Any) -> Any:
        is_answered_here = flags & files._AT_STATX_DONT_SYNC
        return (libc.statx if is_answered_here else asking)(descriptor, path, flags, *rest)

    measured = SimpleNamespace(statx=statx, statfs=libc.statfs)
    with pytest.MonkeyPatch.context() as patched:
        for module in (segment, files, nfs):
            patched.setattr(module, "os", SimpleNamespace(**{**vars(os), **counted}))
        patched.setattr(files, "_libc", lambda: measured)
        yield calls


def add_row(store: Store, *before: str) -> None:
    """Commit a row of the table `t`, behind some statements."""
    with store.write(granted(fence=next(fences)), creates=True) as transaction:
        for sql in before:
            transaction.connection.run(sql)
        transaction.connection.run("INSERT INTO t VALUES (1)")
        transaction.commit()
