"""Writers on one log in DynamoDB and S3: processes that are killed, stopped and cut off.

A server loses requests and answers, and lets requests land late. A reaper removes records meanwhile
that are a second old, and writers sleep for longer than that: what must not be lost is acknowledged
by nobody who slept over the removal of its number.

    python -m tests.faults.log_table_writers CAMPAIGN       prints the counts; both are JSON
"""

import json
import mmap
import os
import random
import signal
import struct
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sqlatch.kernel.errors import StorageError
from storage.log import dynamodb
from storage.log.dynamodb import DynamoLog
from storage.log.log import BEGINNING, COMMIT_ID_BYTES, Conflict, Gone, InDoubt, Place, Record
from storage.log.objects import Objects
from storage.log.table import Item, Table
from tests.faults import cloud_server, log_writers
from tests.faults.log_writers import compare, digest_after, ended, notes_in

WRITERS = 8
KEEP_S = 1.0
SLEEP_S_MAX = 2.0
REAP_S = 0.1
PATIENCE_S = 5.0
ATTEMPTS_MAX = 50

DIES_BEFORE_APPEND = 0.005
DIES_BEHIND_APPEND = 0.005
SLEEPS_BEFORE_APPEND = 0.004
IS_LARGE = 0.02
LARGE_BYTES = 500_000
SMALL_BYTES_MAX = 300

LONG_STOPS = 0.03

COPY_BYTES = 512
_TXID = struct.Struct("<Q")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Campaign:
    """How long it lasts: a time, and then until so many commits are acknowledged.

    `without` names what is taken out of the writers: "id".
    """

    directory: str
    table: str
    seconds: float
    acknowledged: int
    seed: int
    without: Sequence[str] = ()


@dataclass(slots=True)
class Counts(log_writers.Counts):
    """The counts of a campaign, and what must be 0 in it."""

    conflicts: int = 0
    unknown: int = 0
    begun_anew: int = 0
    removed: int = 0
    server: dict[str, int] = field(default_factory=dict)


class WithoutId(DynamoLog):
    """A log that takes a refusal by its own record for one by another's."""

    def _is_same(self, winner: Item, item: Item) -> bool:
        return False


def opened(campaign: Campaign, place: Place, log_id: bytes | None) -> DynamoLog:
    kind = WithoutId if "id" in campaign.without else DynamoLog
    return kind(
        "main",
        Table(campaign.table),
        Objects(campaign.table, "logs/"),
        at=place,
        database_id=log_id,
        now=time.time,
    )


class Reaper:
    """It keeps what it has read in a file, says up to where a new instance may begin, and removes
    records that were read a while ago."""

    def __init__(self, campaign: Campaign) -> None:
        self._directory = Path(campaign.directory)
        self._log = opened(campaign, BEGINNING, None)
        self._archive = (self._directory / "archive").open("ab")
        self._digest = ""
        self._seen: list[tuple[float, int]] = []

    def run(self) -> None:
        while True:
            time.sleep(REAP_S)
            try:
                self._reap()
            except StorageError:
                continue

    def _reap(self) -> None:
        records = self._log.sync(_soon())
        for record in records:
            self._archive.write(_LENGTH.pack(len(record.content)) + record.content)
            self._digest = digest_after(self._digest, record.content)
        self._archive.flush()
        log_id = (self._log.database_id or b"").hex()
        new = self._directory / "snapshot.new"
        new.write_text(json.dumps([self._log.place.txid, self._digest, log_id]))
        new.rename(self._directory / "snapshot")
        now_s = time.monotonic()
        self._seen.append((now_s, self._log.place.txid))
        floor = 0
        while self._seen and self._seen[0][0] <= now_s - KEEP_S:
            floor = self._seen.pop(0)[1]
        if floor:
            (self._directory / "removed").write_text(str(self._log.remove(floor, _soon())))


class Writer:
    """One process. What it knows of the log outlives it, as the copy of an instance does.

    Its state is a digest of all records: each record holds that of the state it was made on.
    """

    def __init__(self, campaign: Campaign, number: int) -> None:
        self._campaign = campaign
        self._directory = Path(campaign.directory)
        self._number = number
        self._name = f"{number}-{os.getpid()}-{time.time_ns()}"
        append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self._notes = os.open(self._directory / f"notes-{number}", append)
        self._copy = os.open(self._directory / f"copy-{number}", os.O_RDWR | os.O_CREAT)
        newest = os.open(self._directory / "newest", os.O_RDWR)
        self._newest = mmap.mmap(newest, _TXID.size * WRITERS)
        known = os.pread(self._copy, COPY_BYTES, 0)
        self._digest: str
        txid, self._digest, log_id = json.loads(known) if known else (0, "", "")
        place = Place(dynamodb.EPOCH, 0, txid) if txid else BEGINNING
        self._log = opened(campaign, place, bytes.fromhex(log_id) or None)

    def run(self) -> None:
        for count in range(sys.maxsize):
            self._commit(f"{self._name}-{count}")
            self._read()
            time.sleep(random.random() * 0.005)

    def _commit(self, key: str) -> None:
        for attempt in range(ATTEMPTS_MAX):
            if self._is_done(f"{key}-{attempt}"):
                return

    def _is_done(self, key: str) -> bool:
        """Return whether the attempt was acknowledged, or its outcome is unknown."""
        try:
            if not self._log.goes_first:
                self._apply(self._log.ready(_soon(), fence=0, seal=False))
        except Gone:
            self._begin_anew()
            return False
        except StorageError:
            return False
        txid, commit_id = self._log.place.txid + 1, os.urandom(COMMIT_ID_BYTES)
        large = LARGE_BYTES if random.random() < IS_LARGE else SMALL_BYTES_MAX
        content = f"{key} {self._digest} ".encode() + os.urandom(random.randrange(large))
        self._perhaps_dies_or_sleeps()
        try:
            self._log.append(commit_id, content)
        except Conflict as conflict:
            self._note("-", key)
            self._note("C", key)
            self._apply(conflict.records)
            return False
        except (InDoubt, StorageError):
            self._note("?", key)
            return self._settled(key, txid, commit_id)
        if random.random() < DIES_BEHIND_APPEND:
            os._exit(1)
        self._digest = digest_after(self._digest, content)
        self._acknowledge(key, txid)
        return True

    def _settled(self, key: str, txid: int, commit_id: bytes) -> bool:
        try:
            is_there, records = self._log.outcome(txid, commit_id, _soon())
        except StorageError as error:
            self._note("-" if error.outcome == "nothing" else "U", key)
            return True
        self._apply(records)
        if is_there:
            self._acknowledge(key, txid)
        else:
            self._note("-", key)
        return is_there

    def _perhaps_dies_or_sleeps(self) -> None:
        if random.random() < DIES_BEFORE_APPEND:
            os._exit(1)
        if random.random() < SLEEPS_BEFORE_APPEND:
            time.sleep(random.random() * SLEEP_S_MAX)

    def _acknowledge(self, key: str, txid: int) -> None:
        self._remember()
        _TXID.pack_into(self._newest, _TXID.size * self._number, txid)
        self._note("+", key)

    def _read(self) -> None:
        acknowledged = max(
            _TXID.unpack_from(self._newest, _TXID.size * number)[0] for number in range(WRITERS)
        )
        while True:
            try:
                self._apply(self._log.sync(_soon()))
                break
            except Gone:
                self._begin_anew()
            except StorageError:
                continue
        self._note("R" if self._log.place.txid >= acknowledged else "S", self._name)

    def _begin_anew(self) -> None:
        self._note("G", self._name)
        txid, self._digest, log_id = json.loads((self._directory / "snapshot").read_text())
        self._log = opened(self._campaign, Place(0, 0, txid), bytes.fromhex(log_id) or None)
        self._remember()

    def _apply(self, records: list[Record]) -> None:
        for record in records:
            self._digest = digest_after(self._digest, record.content)
        if records:
            self._remember()

    def _remember(self) -> None:
        log_id = (self._log.database_id or b"").hex()
        text = json.dumps([self._log.place.txid, self._digest, log_id]).encode()
        os.pwrite(self._copy, text.ljust(COPY_BYTES), 0)

    def _note(self, kind: str, text: str) -> None:
        os.write(self._notes, f"{kind}{text}\n".encode())


def run(campaign: Campaign) -> Counts:
    """Run the campaign, and look at what is in the log at its end."""
    dynamodb.KEEP_S, dynamodb.STALE_S = KEEP_S, KEEP_S / 2
    directory = Path(campaign.directory)
    (directory / "newest").write_bytes(bytes(_TXID.size * WRITERS))
    (directory / "snapshot").write_text(json.dumps([0, "", ""]))
    chance = random.Random(campaign.seed)
    counts = Counts()
    reaper = _spawn(campaign, None)
    numbers = {_spawn(campaign, number): number for number in range(WRITERS)}
    asleep: dict[int, float] = {}
    ends_s = time.monotonic() + campaign.seconds
    try:
        while time.monotonic() < ends_s or _acknowledged(directory) < campaign.acknowledged:
            if list(directory.glob("crashed-*")):
                break
            time.sleep(chance.random() * 0.06)
            _disturb(chance.choice(list(numbers)), asleep, chance, counts)
            for pid in ended():
                number = numbers.pop(pid)
                asleep.pop(pid, None)
                counts.died_by_themselves += 1
                numbers[_spawn(campaign, number)] = number
    finally:
        for pid in [reaper, *numbers]:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    counts.died_by_themselves = max(0, counts.died_by_themselves - counts.kills)
    _audit(campaign, counts)
    return counts


def _disturb(pid: int, asleep: dict[int, float], chance: random.Random, counts: Counts) -> None:
    """Kill, stop for a moment, or stop for longer than records are kept."""
    for sleeper, until_s in list(asleep.items()):
        if time.monotonic() >= until_s:
            del asleep[sleeper]
            os.kill(sleeper, signal.SIGCONT)
    if pid in asleep:
        return
    if chance.random() < LONG_STOPS:
        os.kill(pid, signal.SIGSTOP)
        counts.stops += 1
        asleep[pid] = time.monotonic() + KEEP_S * (0.5 + 1.5 * chance.random())
    else:
        log_writers.disturb(pid, chance, counts)


def _spawn(campaign: Campaign, number: int | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        random.seed()
        if number is None:
            Reaper(campaign).run()
        else:
            Writer(campaign, number).run()
    except BaseException:  # noqa: BLE001 - told by the audit, the process ends
        path = Path(campaign.directory) / f"crashed-{os.getpid()}-{time.time_ns()}"
        path.write_text(traceback.format_exc())
    finally:
        os._exit(2)


def _acknowledged(directory: Path) -> int:
    return len(notes_in(directory).get("+", []))


def _audit(campaign: Campaign, counts: Counts) -> None:
    directory = Path(campaign.directory)
    contents = _archived(directory / "archive")
    log = opened(campaign, Place(0, 0, len(contents)), None)
    contents += [record.content for record in log.sync(_soon())]
    notes = compare(directory, contents, counts)
    counts.conflicts = len(notes.get("C", []))
    counts.unknown = len(notes.get("U", []))
    counts.begun_anew = len(notes.get("G", []))
    removed = directory / "removed"
    counts.removed = int(removed.read_text()) if removed.exists() else 0
    counts.server = cloud_server.counts(os.environ["AWS_ENDPOINT_URL"])


def _archived(path: Path) -> list[bytes]:
    """Return the records of an archive; the last one may be torn, since its reaper was killed."""
    contents = []
    whole = path.read_bytes()
    at = 0
    while at + _LENGTH.size <= len(whole):
        (length,) = _LENGTH.unpack_from(whole, at)
        content = whole[at + _LENGTH.size : at + _LENGTH.size + length]
        if len(content) < length:
            break
        contents.append(content)
        at += _LENGTH.size + length
    return contents


def _soon() -> float:
    return time.time() + PATIENCE_S


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(run(Campaign(**json.loads(sys.argv[1]))))))
