"""Writers and readers killed and stopped at random moments: nothing lost, nobody locked out."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from handler.service import Service
from locking.lease import GRACE_S
from locking.leases import MARGIN_S
from sqlexec.files import JOURNAL_MAGIC
from tests.conftest import Ask
from tests.faults import bank
from tests.faults.audit import Books, audit, audit_reads, overruns
from tests.faults.crowd import Crowd, crowd
from tests.faults.customer import AFTER_THE_CHECK, BEFORE_THE_CHECK, Task
from tests.faults.notes import Note, read_notes
from tests.faults.report import record

FULL = "SQLATCH_FAULTS_FULL" in os.environ

WRITE_MS = 400
READ_MS = 20_000
LEASE_S = WRITE_MS / 1000 + MARGIN_S + GRACE_S
"""From the moment a writer asks, so long can its death keep others from writing."""

WRITERS = 8
READERS = 4
STOPPED_MAX = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("environment", ["dynamodb"], indirect=True),
    pytest.mark.timeout(3_600 if FULL else 240),
]


@dataclass(slots=True)
class Scene:
    """A crowd on some databases, and what was done to it."""

    crowd: Crowd
    ask: Ask
    service: Service
    directory: Path
    notes: Path
    databases: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)

    def open_banks(self, count: int) -> None:
        new = [f"bank{len(self.databases) + number}" for number in range(count)]
        for database in new:
            bank.open_bank(self.ask, database)
        self.databases += new
        self.service.databases.close()

    def people(self, role: str, count: int, databases: list[str], **options: Any) -> list[int]:
        task = Task(
            role=role,
            notes=str(self.notes),
            directory=str(self.directory),
            databases=databases,
            timeout_ms=WRITE_MS if role == "writer" else READ_MS,
            **options,
        )
        return [self.crowd.start(task) for _ in range(count)]

    def kill(self, pid: int) -> None:
        """Kill it and put another in its place; count what it was doing."""
        task = self.crowd.kill(pid)
        self._count("kills")
        for held in self.service.leases.held():
            if held.holder.startswith(f"{task.role}-{pid}:"):
                self._count("killed_with_the_lease")
                journal = self.service.databases.files.journal(held.database)
                with journal.open("rb") as opened:
                    if opened.read(len(JOURNAL_MAGIC)) == JOURNAL_MAGIC:
                        self._count("killed_in_mid_commit")
        self.crowd.start(task)

    def stop(self, pid: int) -> None:
        self.crowd.stop(pid)
        self._count("stalls")

    def _count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def close(self) -> list[Note]:
        """Let everybody finish; what they noted."""
        self.crowd.finish()
        notes = list(read_notes(self.notes))
        assert [note.facts["traceback"] for note in notes if note.kind == "crashed"] == []
        return notes

    def books(self, notes: list[Note]) -> Books:
        return audit(self.ask, self.databases, notes)


@pytest.fixture
def scene(
    ask: Ask,
    the_service: Service,
    directory: Path,
    environment: dict[str, str],
    tmp_path: Path,
) -> Iterator[Scene]:
    notes = tmp_path / "notes"
    notes.mkdir()
    with crowd(environment) as people:
        yield Scene(people, ask, the_service, directory, notes)


@pytest.fixture
def chance(record_property: Any) -> random.Random:
    """What the test throws its dice with; its seed is in the report of a failure."""
    seed = int(os.environ.get("SQLATCH_FAULTS_SEED", time.time_ns()))
    print(f"SQLATCH_FAULTS_SEED={seed}")  # noqa: T201
    return random.Random(seed)


def disturb(
    scene: Scene, chance: random.Random, *, seconds: float, kills: int, stalling: bool
) -> None:
    """Kill somebody now and then, and stop others for longer than a lease."""
    ends_s = time.monotonic() + seconds
    resume_at_s: dict[int, float] = {}
    while time.monotonic() < ends_s and scene.done.get("kills", 0) < kills:
        time.sleep(chance.uniform(0, 0.2))
        for pid, at_s in list(resume_at_s.items()):
            if time.monotonic() > at_s:
                del resume_at_s[pid]
                scene.crowd.resume(pid)
        pid = chance.choice(list(scene.crowd.running))
        if pid in resume_at_s:
            continue
        if stalling and len(resume_at_s) < STOPPED_MAX and chance.random() < 0.3:
            scene.stop(pid)
            resume_at_s[pid] = time.monotonic() + LEASE_S + chance.uniform(0, 1)
        else:
            scene.kill(pid)


def test_killed_and_stalled_writers_and_readers_lose_nothing_and_lock_out_nobody(
    scene: Scene, chance: random.Random
) -> None:
    scene.open_banks(4)
    scene.people("writer", WRITERS, scene.databases)
    scene.people("reader", READERS, scene.databases)

    disturb(
        scene, chance, seconds=1_500 if FULL else 30, kills=5_000 if FULL else 500, stalling=True
    )
    notes = scene.close()
    books, reads = scene.books(notes), audit_reads(notes, scene.crowd.stalls)

    record("processes", **scene.done, **asdict(books), **asdict(reads))
    assert books.faults == {}
    assert books.acknowledged > 100
    assert (reads.torn_reads, reads.stale_reads, reads.reads_refused) == (0, 0, 0)
    assert reads.slowest_read_s < LEASE_S
    assert reads.slowest_read_behind_a_killed_writer_s < LEASE_S
    assert reads.slowest_read_behind_a_stall_s < 2 * LEASE_S + 1
