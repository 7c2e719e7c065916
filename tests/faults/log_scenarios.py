"""What happens to a log beyond a commit: a seal, a new copy, what stands for the log."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from locking.lease import HeldLease
from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, StorageError
from storage.log import compaction, copy_file, directory, hydration
from storage.log.segment import SEALED_BYTES, encoded_record
from tests.faults.crashes import Situation, undisturbed
from tests.faults.log_images import COPIES, SHARED, content_of, part_of, stored
from tests.faults.machine import Instance
from tests.faults.scenarios import NOTE, RAISE, ROWS, Scenario, ask

WRITES = 4
TORN_BYTES = 100
ERRORS = {error.code: error for error in (StorageError, DatabaseCorrupt, DatabaseBusy)}
READ_ALL = "SELECT count(*), sum(length(note)), sum(balance) FROM account"


def make_small(patch: pytest.MonkeyPatch) -> None:
    """Have sizes that a few rows reach: segments, blocks of a snapshot, what is merged."""
    patch.setattr(directory, "CAP_BYTES", 4096)
    patch.setattr(hydration, "BLOCK_BYTES", 4096)
    patch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    patch.setattr(compaction, "TAIL_BYTES_MAX", 0)
    patch.setattr(compaction, "TAIL_SHARE_MAX", 0.0)
    patch.setattr(compaction, "FILES_OF_A_LEVEL_MAX", 2)
    patch.setattr(compaction, "RECORDS_KEPT_S", -60)


def reap(instance: Instance) -> object:
    """The reaper's report; its failure is raised as the caller of a request would get it."""
    report = instance.reap()
    for failure in report["failures"]:
        raise ERRORS[failure["code"]](failure["message"])
    return report


def _grow_and_reap(instance: Instance) -> object:
    """Pages that are new and free again in one transaction: SQLite does not write them."""
    grow = "INSERT INTO account (balance, note) VALUES (-1, ?)"
    notes = {"query": grow, "parameter_sets": [[NOTE] for _row in range(ROWS)]}
    instance.ask(statements=[notes, {"query": "DELETE FROM account WHERE balance = -1"}])
    return reap(instance)


def _left_by_a_dead_writer(start: Situation, _directory: Path) -> Situation:
    """Its lease ran out a while ago."""
    now_s = start.now_s
    held = HeldLease("main", "lock", "dead", now_s, now_s + 1, fence=0)
    return replace(start, leases=[held], now_s=now_s + 60)


def _torn(start: Situation, directory: Path) -> Situation:
    """It died in mid append."""
    torn = encoded_record(99, bytes(16), b"torn" * 100)[:TORN_BYTES]
    return _with_newest(
        _left_by_a_dead_writer(start, directory),
        lambda content, _length: stored(content + torn, len(content + torn)),
    )


def _half_sealed(start: Situation, _directory: Path) -> Situation:
    """A sealer died behind its mark."""
    return _with_newest(start, lambda content, _length: stored(content, SEALED_BYTES))


def _half_sealed_and_left(start: Situation, directory: Path) -> Situation:
    return _left_by_a_dead_writer(_half_sealed(start, directory), directory)


def _written_to(start: Situation, directory: Path) -> Situation:
    for _write in range(WRITES):
        start = undisturbed(start, directory, ask(query=RAISE))
    return start


def _compacted(start: Situation, directory: Path) -> Situation:
    for _pass in range(2):
        start = undisturbed(_written_to(start, directory), directory, reap)
    return start


def _compacted_and_written_to(start: Situation, directory: Path) -> Situation:
    return _written_to(_compacted(start, directory), directory)


def _without_a_copy(start: Situation, directory: Path) -> Situation:
    """Another machine comes: it begins with a snapshot, then reads what is behind it."""
    start = _compacted_and_written_to(start, directory)
    return replace(start, image=part_of(start.image, f"{SHARED}/"))


def _behind(start: Situation, directory: Path) -> Situation:
    """Others have written since the copy was used."""
    later = _written_to(start, directory)
    image = part_of(later.image, f"{SHARED}/") | part_of(start.image, f"{COPIES}/")
    return replace(later, image=image)


def _with_newest(start: Situation, change: Callable[[bytes, int], bytes]) -> Situation:
    """Change the newest segment."""
    newest = max(name for name in start.image if name.endswith(".seg"))
    image = {**start.image, newest: change(*content_of(start.image[newest]))}
    return replace(start, image=image)


COMPACTIONS = (
    Scenario("a first compaction", reap, prepare=_written_to, changes=False),
    Scenario("a compaction", reap, prepare=_compacted_and_written_to, changes=False),
)
SCENARIOS = (
    Scenario("a takeover", ask(query=RAISE), prepare=_left_by_a_dead_writer),
    Scenario("a takeover behind a torn append", ask(query=RAISE), prepare=_torn),
    Scenario("a takeover of a half-done seal", ask(query=RAISE), prepare=_half_sealed_and_left),
    Scenario("a write behind a half-done seal", ask(query=RAISE), prepare=_half_sealed),
    Scenario("a new copy is written to", ask(query=RAISE), prepare=_without_a_copy),
    Scenario("a new copy is read", ask(query=READ_ALL), prepare=_without_a_copy, changes=False),
    Scenario("a copy behind the log is read", ask(query=READ_ALL), prepare=_behind, changes=False),
    Scenario("a compaction of free pages", _grow_and_reap, changes=False),
    *COMPACTIONS,
)
PAST = Scenario(
    "the past",
    ask(query="SELECT count(*) FROM account", at=f"{2:016x}"),
    prepare=_written_to,
    changes=False,
)
