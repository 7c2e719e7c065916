"""Writers on one log in a directory, killed and stopped; nobody checks their lease.

python -m tests.faults.log_writers '{"directory": ..., ...}'     prints what was counted, as JSON
"""

import fcntl
import json
import mmap
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from struct import Struct

from sqlatch.kernel.errors import DatabaseCorrupt
from storage.log.directory import DirectoryLog
from storage.log.log import BEGINNING, COMMIT_ID_BYTES, Conflict, InDoubt, Place, Record
from storage.log.segment import Segment, encoded_record

WRITERS = 8
LEASE_S = 0.06
STALL_S = 1.5 * LEASE_S
STOP_S_MAX = 0.15
PATIENCE_S = 60.0

DIES_IN_APPEND = 0.01
DIES_BEHIND_APPEND = 0.01
STALLS_BEFORE_READY = 0.02
STALLS_BEFORE_APPEND = 0.02
IS_LARGE = 0.02
LARGE_BYTES = 400_000
SMALL_BYTES_MAX = 300

LEASE_BYTES = 128
_TXID = Struct("<Q")


@dataclass(frozen=True, slots=True)
class Campaign:
    """How long it lasts: a time, and then until so many commits are acknowledged.

    `without` names what is taken out of the writers: "look", "fence" or "seal".
    """

    directory: str
    seconds: float
    acknowledged: int
    seed: int
    without: Sequence[str] = ()


@dataclass(slots=True)
class Counts:
    """The counts of a campaign, and what must be 0 in it."""

    acknowledged: int = 0
    in_log: int = 0
    kills: int = 0
    stops: int = 0
    died_by_themselves: int = 0
    take_overs: int = 0
    in_doubt: int = 0
    refused: int = 0
    segments: int = 0
    reads: int = 0
    lost: int = 0
    twice: int = 0
    refused_and_there: int = 0
    on_another_state: int = 0
    stale_reads: int = 0
    damaged: int = 0
    crashed: list[str] = field(default_factory=list)


class LeaseFile:
    """A lease for the processes of one machine: who holds it, until when, and the fence.

    It is one write(2), so a process that is killed leaves the old or the new.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT)

    @contextmanager
    def held(self) -> Iterator["Grant"]:
        """Take the lease, over if it has run out. It is given back if the block marks it clean."""
        me = os.urandom(8).hex()
        grant = self._take(me)
        while grant is None:
            time.sleep(random.random() * 0.004)
            grant = self._take(me)
        try:
            yield grant
        finally:
            with self._locked() as (holder, _until_s, fence):
                if holder == me and grant.is_clean:
                    self._put("", 0, fence)

    def _take(self, me: str) -> "Grant | None":
        with self._locked() as (holder, until_s, fence):
            if holder and until_s >= time.time():
                return None
            self._put(me, time.time() + LEASE_S, fence + 1)
            return Grant(fence + 1, taken_over=bool(holder))

    @contextmanager
    def _locked(self) -> Iterator[tuple[str, float, int]]:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            text = os.pread(self._descriptor, LEASE_BYTES, 0)
            holder, until_s, fence = json.loads(text) if text else ("", 0, 0)
            yield holder, until_s, fence
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _put(self, holder: str, until_s: float, fence: int) -> None:
        text = json.dumps([holder, until_s, fence]).encode().ljust(LEASE_BYTES)
        os.pwrite(self._descriptor, text, 0)


@dataclass(slots=True)
class Grant:
    fence: int
    taken_over: bool
    is_clean: bool = False


class Unlooking(DirectoryLog):
    """A log whose appender does not look whether the segment was sealed meanwhile."""

    def append(self, commit_id: bytes, content: bytes) -> None:
        place = self._at.place
        record = encoded_record(place.txid + 1, commit_id, content)
        self._at.opened.write(place.offset, record)
        self._at.place = Place(place.epoch, place.offset + len(record), place.txid + 1)


class Unfenced(DirectoryLog):
    """A log whose writers append behind a later holder of the lease."""

    def _unsuperseded(self) -> Segment:
        return self._at.opened


class Writer:
    """One process. What it knows of the log outlives it, as the copy of an instance does.

    Its state is a digest of all records: each record holds that of the state it was made on.
    """

    def __init__(self, campaign: Campaign, number: int) -> None:
        directory = Path(campaign.directory)
        self._without = campaign.without
        self._number = number
        self._name = f"{number}-{os.getpid()}-{time.time_ns()}"
        self._lease = LeaseFile(directory / "lease")
        self._notes = os.open(directory / f"notes-{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._copy = os.open(directory / f"copy-{number}", os.O_RDWR | os.O_CREAT)
        newest = os.open(directory / "newest", os.O_RDWR)
        self._newest = mmap.mmap(newest, _TXID.size * WRITERS)
        known = os.pread(self._copy, LEASE_BYTES * 2, 0)
        place, digest = json.loads(known) if known else (list(_of(BEGINNING)), "")
        self._digest: str = digest
        kind = DirectoryLog
        if "look" in campaign.without:
            kind = Unlooking
        if "fence" in campaign.without:
            kind = Unfenced
        self._log = kind(directory / "root/main/log", at=Place(*place), now=time.time)

    def run(self) -> None:
        for count in range(sys.maxsize):
            with self._lease.held() as grant:
                self._commit(grant, f"{self._name}-{count}")
                grant.is_clean = True
            self._read()
            time.sleep(random.random() * 0.005)

    def _commit(self, grant: Grant, key: str) -> None:
        if random.random() < STALLS_BEFORE_READY:
            time.sleep(STALL_S)
        if grant.taken_over:
            self._note("T", key)
        seal = grant.taken_over and "seal" not in self._without
        try:
            self._apply(self._log.ready(_deadline_s(), fence=grant.fence, seal=seal))
            txid, commit_id = self._log.place.txid + 1, os.urandom(COMMIT_ID_BYTES)
            large = LARGE_BYTES if random.random() < IS_LARGE else SMALL_BYTES_MAX
            content = f"{key} {self._digest} ".encode() + os.urandom(random.randrange(large))
            self._perhaps_dies(commit_id, content)
            self._log.append(commit_id, content)
        except Conflict:
            self._note("-", key)
            return
        except InDoubt:
            self._note("?", key)
            is_there, records = self._log.outcome(txid, commit_id, _deadline_s())
            self._apply(records)
        else:
            is_there = True
            if random.random() < DIES_BEHIND_APPEND:
                os._exit(1)
            self._digest = digest_after(self._digest, content)
            self._remember()
        if is_there:
            _TXID.pack_into(self._newest, _TXID.size * self._number, txid)
        self._note("+" if is_there else "-", key)

    def _perhaps_dies(self, commit_id: bytes, content: bytes) -> None:
        if random.random() < DIES_IN_APPEND:
            place = self._log.place
            record = encoded_record(place.txid + 1, commit_id, content)
            self._log._at.opened.write(place.offset, record[: random.randrange(1, len(record))])
            os._exit(1)
        if random.random() < STALLS_BEFORE_APPEND:
            time.sleep(STALL_S)

    def _read(self) -> None:
        acknowledged = max(
            _TXID.unpack_from(self._newest, _TXID.size * number)[0] for number in range(WRITERS)
        )
        self._apply(self._log.sync(_deadline_s()))
        self._note("R" if self._log.place.txid >= acknowledged else "S", self._name)

    def _apply(self, records: list[Record]) -> None:
        for record in records:
            self._digest = digest_after(self._digest, record.content)
        if records:
            self._remember()

    def _remember(self) -> None:
        text = json.dumps([list(_of(self._log.place)), self._digest]).encode()
        os.pwrite(self._copy, text.ljust(LEASE_BYTES * 2), 0)

    def _note(self, kind: str, text: str) -> None:
        os.write(self._notes, f"{kind}{text}\n".encode())


def run(campaign: Campaign) -> Counts:
    """Run the campaign, and look at what is in the log at its end."""
    directory = Path(campaign.directory)
    (directory / "root").mkdir()
    (directory / "newest").write_bytes(bytes(_TXID.size * WRITERS))
    chance = random.Random(campaign.seed)
    counts = Counts()
    numbers = {_spawn(campaign, number): number for number in range(WRITERS)}
    ends_s = time.monotonic() + campaign.seconds
    next_look_s = 0.0
    try:
        while time.monotonic() < max(ends_s, next_look_s):
            time.sleep(chance.random() * 0.03)
            disturb(chance.choice(list(numbers)), chance, counts)
            for pid in ended():
                number = numbers.pop(pid)
                counts.died_by_themselves += 1
                numbers[_spawn(campaign, number)] = number
            if time.monotonic() >= ends_s > next_look_s or time.monotonic() >= next_look_s > ends_s:
                is_done = _acknowledged(directory) >= campaign.acknowledged
                next_look_s = 0.0 if is_done else time.monotonic() + 1
    finally:
        for pid in numbers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    counts.died_by_themselves -= counts.kills
    _audit(directory, counts)
    return counts


def disturb(pid: int, chance: random.Random, counts: Counts) -> None:
    if chance.random() < 0.5:
        os.kill(pid, signal.SIGKILL)
        counts.kills += 1
    else:
        os.kill(pid, signal.SIGSTOP)
        counts.stops += 1
        time.sleep(chance.random() * STOP_S_MAX)
        os.kill(pid, signal.SIGCONT)


def ended() -> Iterator[int]:
    while (ended := os.waitpid(-1, os.WNOHANG))[0]:
        yield ended[0]


def _spawn(campaign: Campaign, number: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        random.seed()
        Writer(campaign, number).run()
    except BaseException:  # noqa: BLE001 - told by the audit, the process ends
        path = Path(campaign.directory) / f"crashed-{os.getpid()}-{time.time_ns()}"
        path.write_text(traceback.format_exc())
    finally:
        os._exit(2)


def notes_in(directory: Path) -> dict[str, list[str]]:
    notes: dict[str, list[str]] = {}
    for path in directory.glob("notes-*"):
        for line in path.read_text().splitlines():
            notes.setdefault(line[0], []).append(line[1:])
    return notes


def _acknowledged(directory: Path) -> int:
    return len(notes_in(directory).get("+", []))


def _audit(directory: Path, counts: Counts) -> None:
    log = DirectoryLog(directory / "root/main/log", now=time.time)
    contents = list[bytes]()
    try:
        contents = [record.content for record in log.sync(_deadline_s())]
    except DatabaseCorrupt:
        counts.damaged = 1
    notes = compare(directory, contents, counts)
    counts.take_overs = len(notes.get("T", []))
    counts.segments = len(list((directory / "root/main/log").glob("*.seg")))


def compare(directory: Path, contents: Sequence[bytes], counts: Counts) -> dict[str, list[str]]:
    """Compare what is in a log with what its writers were told. Return their notes."""
    notes = notes_in(directory)
    counts.crashed = [path.read_text() for path in directory.glob("crashed-*")]
    digest, keys = "", list[str]()
    for content in contents:
        key, base, _rest = content.split(b" ", 2)
        keys.append(key.decode())
        counts.on_another_state += base.decode() != digest
        digest = digest_after(digest, content)
    acknowledged = set(notes.get("+", []))
    counts.acknowledged = len(acknowledged)
    counts.in_log = len(keys)
    counts.lost = len(acknowledged - set(keys))
    counts.twice = len(keys) - len(set(keys))
    counts.refused = len(notes.get("-", []))
    counts.refused_and_there = len(set(notes.get("-", [])) & set(keys))
    counts.in_doubt = len(notes.get("?", []))
    counts.stale_reads = len(notes.get("S", []))
    counts.reads = len(notes.get("R", [])) + counts.stale_reads
    return notes


def _of(place: Place) -> tuple[int, int, int]:
    return place.epoch, place.offset, place.txid


def digest_after(before: str, content: bytes) -> str:
    return sha256(before.encode() + content).hexdigest()


def _deadline_s() -> float:
    return time.time() + PATIENCE_S


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(run(Campaign(**json.loads(sys.argv[1]))))))
