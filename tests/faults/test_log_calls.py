"""Every system call of the log in a directory fails, or is the last before a crash."""

import errno
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from storage.log.directory import DirectoryLog
from tests.faults import tally
from tests.faults.log_calls import AFTER, BEFORE, HALF, SCENARIOS, Fault, fail
from tests.faults.report import FULL, record_planted

ERRORS = (errno.EIO, errno.ENOSPC, errno.ESTALE) if FULL else (errno.EIO,)
CALLS_MAX = 500


@dataclass(slots=True)
class Counts:
    crashes: int = 0
    failing_calls: int = 0


def close_what_is_open_in(directory: Path) -> None:
    """Close what a process leaves to the kernel when it crashes."""
    for opened in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that lists them
            if opened.readlink().is_relative_to(directory):
                os.close(int(opened.name))


def run(case: str, directory: Path) -> Counts:
    """Let every fault happen at every call of one scenario."""
    counts = Counts()
    for error in (None, *ERRORS):
        for when in (BEFORE, HALF, AFTER):
            for is_lasting in (False, True) if error is not None else (True,):
                for at in range(1, CALLS_MAX):
                    fault = Fault(at, error, when, is_lasting=is_lasting)
                    path = directory / "root/main/log"
                    happened = fail(SCENARIOS[case], path, fault)
                    close_what_is_open_in(directory)
                    shutil.rmtree(directory / "root")
                    if not happened:
                        break
                    counts.crashes += error is None
                    counts.failing_calls += error is not None
    return counts


@pytest.mark.parametrize("case", SCENARIOS)
def test_no_failing_call_and_no_crash_loses_or_doubles_a_record(case: str, memory: Path) -> None:
    counts = run(case, memory)

    tally.keep("log_calls", case, counts)
    assert counts.crashes > 3, asdict(counts)
    assert counts.failing_calls > 20, asdict(counts)


def test_one_who_takes_a_failed_append_for_a_refused_one_is_found(
    memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DirectoryLog, "outcome", lambda *_question: (False, []))

    with pytest.raises(AssertionError):
        run("a log goes on", memory)

    record_planted("log: a failed append is told to be refused without a seal", "failing calls")
