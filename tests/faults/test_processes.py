"""Writers and readers killed and stopped at random moments: nothing lost, nobody locked out."""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pytest

from handler.service import Service, service
from locking.lease import GRACE_S, HeldLease
from locking.leases import MARGIN_S
from sqlatch.kernel.errors import StorageError
from tests.conftest import Ask, forget
from tests.faults import bank
from tests.faults.audit import Books, audit, audit_reads, overruns
from tests.faults.crowd import Crowd, crowd
from tests.faults.customer import AFTER_THE_CHECK, BEFORE_THE_CHECK, Task
from tests.faults.notes import Note, read_notes
from tests.faults.report import record
from tests.journal import JOURNAL_MAGIC

FULL = "SQLATCH_FAULTS_FULL" in os.environ

WRITE_MS = 400
READ_MS = 20_000
LEASE_S = WRITE_MS / 1000 + MARGIN_S + GRACE_S
"""From the moment a writer asks, so long can its death keep others from writing."""

LATE_S = 10
"""Who waits looks again every 0.1 s or so, on a machine with more processes than cores. One that
nobody lets in would wait for all of READ_MS."""

WRITERS = 8
READERS = 4
STOPPED_MAX = 3

pytestmark = [
    pytest.mark.slow,
    pytest.mark.parametrize("environment", ["dynamodb"], indirect=True),
    pytest.mark.timeout(3_600 if FULL else 900),
]


@dataclass(slots=True)
class Scene:
    """A crowd on some databases, and what was done to it."""

    crowd: Crowd
    ask: Ask
    service: Service
    directory: Path
    notes: Path
    copies: str = ""
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
            copies=self.copies,
            **options,
        )
        return [self.crowd.start(task) for _ in range(count)]

    def kill(self, pid: int) -> None:
        """Kill it and put another in its place; count what it was doing."""
        task = self.crowd.kill(pid)
        self._count("kills")
        for held in self._held():
            if held.holder.startswith(f"{task.role}-{pid}:"):
                self._count("killed_with_the_lease")
                journal = self.service.settings.home / f"{held.database}.db-journal"
                if not self.copies and journal.read_bytes().startswith(JOURNAL_MAGIC):
                    self._count("killed_in_mid_commit")
        self.crowd.start(task)

    def stop(self, pid: int) -> None:
        self.crowd.stop(pid)
        self._count("stalls")

    def _held(self) -> list[HeldLease]:
        """The leases, asked for again while somebody who is stopped keeps the server busy."""
        while True:
            try:
                return self.service.leases.held()
            except StorageError:
                time.sleep(0.1)

    def _count(self, what: str) -> None:
        self.done[what] = self.done.get(what, 0) + 1

    def close(self) -> list[Note]:
        """Let everybody finish; what they noted."""
        self.crowd.finish()
        notes = list(read_notes(self.notes))
        assert [note.facts["traceback"] for note in notes if note.kind == "crashed"] == []
        return notes

    def acknowledged(self) -> int:
        """Return how many transfers have been acknowledged so far."""
        return sum(note.kind == "acknowledged" for note in read_notes(self.notes))

    def wait_until_noted(self, pid: int) -> None:
        """Wait until a process has noted something, and so takes signals."""
        while not any(note.pid == pid for note in read_notes(self.notes)):
            time.sleep(0.01)

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
def in_a_log(scene: Scene, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The same, on databases in a log. The time of a lease is not looked at: the seal must hold."""
    scene.copies = str(scene.directory.with_name("copies"))
    Path(scene.copies).mkdir()
    monkeypatch.delenv("SQLATCH_DATABASES")
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{scene.directory}")
    monkeypatch.setenv("SQLATCH_COPIES", scene.copies)
    forget(service)
    scene.service = service()
    return scene


@pytest.fixture
def chance(record_property: Any) -> random.Random:
    """A random generator whose seed is in the report of a failure."""
    seed = int(os.environ.get("SQLATCH_FAULTS_SEED", time.time_ns()))
    print(f"SQLATCH_FAULTS_SEED={seed}")  # noqa: T201
    return random.Random(seed)


def disturb(
    scene: Scene,
    chance: random.Random,
    *,
    seconds: float,
    kills: int,
    stalling: bool,
    acknowledged: int = 0,
) -> None:
    """Kill somebody now and then, and stop others for longer than a lease.

    Goes on for the given time, and on a slow machine until more transfers are acknowledged.
    """
    ends_s = time.monotonic() + seconds
    resume_at_s: dict[int, float] = {}
    while scene.done.get("kills", 0) < kills and (
        time.monotonic() < ends_s or scene.acknowledged() <= acknowledged
    ):
        time.sleep(chance.uniform(0, 0.2))
        for pid, at_s in list(resume_at_s.items()):
            if time.monotonic() > at_s:
                del resume_at_s[pid]
                scene.crowd.resume(pid)
        for pid in scene.crowd.dead():
            resume_at_s.pop(pid, None)
            scene.kill(pid)
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
    scene.open_banks(12)
    scene.people("writer", WRITERS, scene.databases, dies=0.2)
    scene.people("reader", READERS, scene.databases)

    disturb(
        scene,
        chance,
        seconds=600 if FULL else 30,
        kills=5_000 if FULL else 500,
        stalling=True,
        acknowledged=100,
    )
    notes = scene.close()
    books, reads = scene.books(notes), audit_reads(notes, scene.crowd.stalls)

    record("processes", **scene.done, **asdict(books), **asdict(reads))
    assert books.faults == {}
    assert books.acknowledged > 100
    assert (reads.torn_reads, reads.stale_reads, reads.reads_refused) == (0, 0, 0)
    assert reads.slowest_read_s < LEASE_S + LATE_S
    assert reads.slowest_read_behind_a_killed_writer_s < LEASE_S + LATE_S
    assert reads.slowest_read_behind_a_stall_s < 2 * LEASE_S + 1


def test_killed_and_stalled_writers_and_readers_of_a_log_lose_nothing(
    in_a_log: Scene, chance: random.Random
) -> None:
    in_a_log.open_banks(6)
    in_a_log.people("writer", WRITERS, in_a_log.databases, without=["last check"], dies=0.2)
    in_a_log.people("reader", READERS, in_a_log.databases)

    disturb(
        in_a_log,
        chance,
        seconds=600 if FULL else 30,
        kills=5_000 if FULL else 500,
        stalling=True,
        acknowledged=100,
    )
    notes = in_a_log.close()
    books, reads = in_a_log.books(notes), audit_reads(notes, in_a_log.crowd.stalls)

    record("processes_in_a_log", **in_a_log.done, **asdict(books), **asdict(reads))
    assert books.faults == {}
    assert books.acknowledged > 100
    assert (reads.torn_reads, reads.stale_reads, reads.reads_refused) == (0, 0, 0)


def test_with_file_locks_off_killed_writers_lose_nothing_so_the_lease_alone_excludes(
    scene: Scene, chance: random.Random
) -> None:
    """No readers here: a snapshot is what SQLite's locks give, the lease keeps writers apart."""
    scene.open_banks(8)
    scene.people("writer", WRITERS, scene.databases, without=["file locks"], dies=0.2)

    disturb(
        scene,
        chance,
        seconds=400 if FULL else 15,
        kills=5_000 if FULL else 500,
        stalling=False,
        acknowledged=30,
    )
    notes = scene.close()
    books = scene.books(notes)

    record("processes_lease_alone", **scene.done, **asdict(books))
    assert books.faults == {}
    assert books.acknowledged > 30
    assert scene.done["killed_with_the_lease"] > 5


def test_with_the_lease_out_too_the_same_writers_lose(scene: Scene, chance: random.Random) -> None:
    """The negative control: what the tests above rule out happens, and the audit sees it."""
    scene.open_banks(1)
    without = ["file locks", "lease"]
    scene.people("writer", WRITERS, scene.databases, without=without)
    # Those that are killed before they have begun lose nothing.
    while scene.acknowledged() < 3:
        time.sleep(0.1)

    disturb(scene, chance, seconds=3, kills=10, stalling=False)
    notes = scene.close()
    books = scene.books(notes)

    record("processes_without_lease_and_locks", **scene.done, **asdict(books))
    assert books.faults != {}


def stall_at(scene: Scene, point: str, *, without: list[str]) -> tuple[list[Note], Books]:
    """Stop one writer of each bank at that point past its lease, while another goes on."""
    scene.open_banks(4)
    stopped = []
    for database in scene.databases:
        stopped += scene.people("writer", 1, [database], without=without, stops_at=point)
    for pid in stopped:
        scene.wait_until_noted(pid)  # before, the signal would end it
        os.kill(pid, signal.SIGUSR1)
        scene.crowd.wait_until_stopped(pid)
    for database in scene.databases:
        scene.people("writer", 1, [database], without=without)
    time.sleep(LEASE_S + 1)
    for pid in stopped:
        scene.crowd.resume(pid)
    notes = scene.close()
    return notes, scene.books(notes)


def test_a_stall_before_the_last_check_loses_nothing_with_file_locks_off(scene: Scene) -> None:
    notes, books = stall_at(scene, BEFORE_THE_CHECK, without=["file locks"])

    record("stall_before_the_check_lease_alone", **asdict(books))
    assert books.faults == {}
    codes = [note.facts["code"] for note in notes if note.kind == "refused"]
    assert codes.count("LEASE_LOST") == len(scene.databases), Counter(codes)


def test_a_stall_after_the_last_check_loses_nothing_in_a_log(in_a_log: Scene) -> None:
    """What a file leaves to SQLite's locks: here the seal refuses it."""
    notes, books = stall_at(in_a_log, AFTER_THE_CHECK, without=["last check"])

    record("stall_after_the_check_in_a_log", overruns=overruns(notes), **asdict(books))
    assert books.faults == {}
    codes = [note.facts["code"] for note in notes if note.kind == "refused"]
    assert codes.count("LEASE_LOST") == len(in_a_log.databases)


def test_a_stall_there_loses_once_the_last_check_is_taken_out(scene: Scene) -> None:
    """The negative control of the test above."""
    without = ["file locks", "last check"]
    _notes, books = stall_at(scene, BEFORE_THE_CHECK, without=without)

    record("stall_before_the_check_without_it", **asdict(books))
    assert books.faults != {}


def test_a_stall_after_the_last_check_loses_nothing_since_file_locks_hold(scene: Scene) -> None:
    notes, books = stall_at(scene, AFTER_THE_CHECK, without=[])

    record("stall_after_the_check", overruns=overruns(notes), **asdict(books))
    assert overruns(notes) == len(scene.databases)
    assert books.faults == {}


def test_a_stall_after_the_last_check_with_file_locks_off_is_where_writes_are_lost(
    scene: Scene,
) -> None:
    """The negative control of the test above, and the window that the design leaves to SQLite."""
    notes, books = stall_at(scene, AFTER_THE_CHECK, without=["file locks"])

    record("stall_after_the_check_lease_alone", overruns=overruns(notes), **asdict(books))
    assert overruns(notes) > 0
    assert books.faults != {}
