"""The system calls of a log in a directory: each fails, or is the last one before a crash."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlatch.kernel.errors import SqlatchError
from storage.log.directory import DirectoryLog
from storage.log.log import Conflict, Gone, InDoubt, Record
from storage.log.segment import SEALED_BYTES, encoded_record
from tests.faults.calls import LOG, hooked

DEADLINE_S = 10.0
ID = b"0123456789abcdef"

OS_CALLS = ("open", "close", "pread", "pwrite", "fsync", "ftruncate", "link", "lstat")
PATH_CALLS = ("mkdir", "unlink", "iterdir")

BEFORE = "before"
HALF = "half"
AFTER = "after"


class Crash(BaseException):
    """The process is dead: nobody catches this, and every call raises it again."""


@dataclass(slots=True)
class Fault:
    """What happens at one call: an error, or a crash; before it, half way through it, or behind it.

    Behind it means that its answer was lost. `is_lasting`: so do all calls after it.
    """

    at: int
    error: int | None
    when: str
    is_lasting: bool = False
    seen: int = 0
    struck: list[str] = field(default_factory=list)

    def call(self, name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.seen += 1
        is_dead = self.error is None or self.is_lasting
        if self.seen < self.at or (self.seen > self.at and not is_dead):
            return call(*arguments, **named)
        self.struck.append(name)
        if self.seen > self.at or name == "close":
            # A descriptor is closed whatever close says, and the next case needs it.
            if name == "close":
                call(*arguments, **named)
        elif self.when == AFTER:
            self._undone(name, call(*arguments, **named))
        elif self.when == HALF and name == "pwrite":
            descriptor, content, offset = arguments
            call(descriptor, content[: len(content) // 2], offset)
        if self.error is None:
            raise Crash(name)
        raise OSError(self.error, os.strerror(self.error))

    def _undone(self, name: str, result: Any) -> None:
        """Close what a call opened, of which the caller never hears."""
        if name == "open":
            os.close(result)


@contextmanager
def struck_by(fault: Fault) -> Iterator[None]:
    with hooked(fault.call, LOG, OS_CALLS, PATH_CALLS):
        yield


@dataclass(slots=True)
class Told:
    """What a writer was told of its records."""

    acknowledged: list[bytes] = field(default_factory=list)
    refused: list[bytes] = field(default_factory=list)
    read: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is there before, with a log that is open, and what is done with it."""

    prepare: Callable[[Path], DirectoryLog]
    act: Callable[[DirectoryLog, Told], None]


def log_in(directory: Path) -> DirectoryLog:
    return DirectoryLog(directory, now=lambda: 0.0)


def fail(scenario: Scenario, directory: Path, fault: Fault) -> bool:
    """Let the fault happen, and look at what is left. Return whether it did happen."""
    log, told = scenario.prepare(directory), Told()
    before = contents(log_in(directory).sync(DEADLINE_S))
    with struck_by(fault), suppress(Crash, SqlatchError, Conflict, Gone):
        scenario.act(log, told)
    if fault.struck and fault.error is not None:
        _goes_on(log, told)
    log.close()
    _holds(directory, told, before)
    return bool(fault.struck)


def append(log: DirectoryLog, told: Told, content: bytes) -> None:
    """Append a record as the engine does, and note what became of it."""
    txid = log.place.txid + 1
    try:
        log.append(ID, content)
    except Conflict:
        told.refused.append(content)
    except InDoubt:
        is_there, records = log.outcome(txid, ID, DEADLINE_S)
        told.read += contents(records)
        is_ours = is_there and content in contents(records)
        (told.acknowledged if is_ours else told.refused).append(content)
    else:
        told.acknowledged.append(content)


def contents(records: list[Record]) -> list[bytes]:
    return [record.content for record in records]


def _goes_on(log: DirectoryLog, told: Told) -> None:
    """The same process goes on, under a lease that was not given back."""
    log.ready(DEADLINE_S, fence=100, seal=True)
    append(log, told, b"by the same process")
    assert told.acknowledged[-1] == b"by the same process"


def _holds(directory: Path, told: Told, before: list[bytes]) -> None:
    """Another takes the lease over, and one who comes new reads the log."""
    with closing(log_in(directory)) as other:
        other.ready(DEADLINE_S, fence=200, seal=True)
        append(other, told, b"by another")
        assert told.acknowledged[-1] == b"by another"
    found = contents(log_in(directory).sync(DEADLINE_S))
    assert found[: len(before)] == before
    assert len(found) == len(set(found)), found
    assert set(told.acknowledged) <= set(found), (told, found)
    assert not set(told.refused) & set(found), (told, found)
    assert set(told.read) <= set(found), (told, found)


def _absent(directory: Path) -> DirectoryLog:
    directory.parent.parent.mkdir(parents=True)
    return log_in(directory)


def _of_one_record(directory: Path) -> DirectoryLog:
    log = _absent(directory)
    log.ready(DEADLINE_S, fence=1, seal=False)
    log.append(ID, b"prepared")
    return log


def _with_a_torn_tail(directory: Path) -> DirectoryLog:
    log = _of_one_record(directory)
    torn = encoded_record(2, ID, b"torn" * 100)[:100]
    with (directory / f"{1:016x}.seg").open("r+b") as opened:
        opened.seek(log.place.offset)
        opened.write(torn)
    return log


def _sealed_by_another(directory: Path) -> DirectoryLog:
    log = _of_one_record(directory)
    log.ready(DEADLINE_S, fence=2, seal=False)
    with closing(log_in(directory)) as other:
        other.ready(DEADLINE_S, fence=3, seal=True)
        other.append(ID, b"of the next holder")
    return log


def _half_sealed(directory: Path) -> DirectoryLog:
    _of_one_record(directory).close()
    os.truncate(directory / f"{1:016x}.seg", SEALED_BYTES)
    return log_in(directory)


def _writes(log: DirectoryLog, told: Told, *, seal: bool = False) -> None:
    told.read += contents(log.ready(DEADLINE_S, fence=5, seal=seal))
    append(log, told, b"first")
    append(log, told, b"second")


def _takes_over(log: DirectoryLog, told: Told) -> None:
    _writes(log, told, seal=True)


def _is_late(log: DirectoryLog, told: Told) -> None:
    append(log, told, b"late")


def _reads(log: DirectoryLog, told: Told) -> None:
    told.read += contents(log.sync(DEADLINE_S))


SCENARIOS = {
    "a log begins": Scenario(_absent, _writes),
    "a log goes on": Scenario(_of_one_record, _writes),
    "a torn tail": Scenario(_with_a_torn_tail, _writes),
    "a lease is taken over": Scenario(_of_one_record, _takes_over),
    "an append comes late": Scenario(_sealed_by_another, _is_late),
    "a half-done seal is read": Scenario(_half_sealed, _reads),
    "a half-done seal is taken over": Scenario(_half_sealed, _takes_over),
}
