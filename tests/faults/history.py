"""A history of requests on databases in a log, by processes that are killed and frozen.

python -m tests.faults.history '{"directory": ..., ...}'     makes the history below a directory

Every process notes when a request began and ended, and what it was told: its position, and the
whole state that it saw. Databases are written to, replaced as a whole, restored from older copies,
added, vacuumed, deleted and brought back, while a reaper merges and removes; it keeps the logs for
the audit before.
"""

import json
import mmap
import os
import random
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from struct import Struct
from typing import Any

import apsw
import pytest

from handler import local, transfer
from handler.record import Record
from handler.service import service
from sqlatch.kernel.errors import BadEvent, SqlatchError, StorageError
from storage.engine import time_text
from storage.log import compaction
from storage.log.archive import Archive
from storage.log.engine import ARCHIVE
from tests.faults import log_plants
from tests.faults.history_audit import READ, Answer, State
from tests.faults.history_logs import Keeper, hurry

PROCESSES = 8
REAPER = PROCESSES
DATABASES = ("a", "b", "c", "replaced")
KEYS = 8
TIMEOUT_MS = 400
REPLACEMENT_S = 0.6
PATIENCE_S = 3_000.0

NEW = 0.03
NEW_S = 40
"""A share of the requests is for a database that all try to add, another one after that time."""

KINDS = {"read": 64, "past": 6, "write": 20, "copy": 2, "restore": 2, "replace": 3, "vacuum": 1}
KINDS_OF_REPLACED = {"read": 54, "past": 6, "replace": 35, "copy": 2, "restore": 2, "vacuum": 1}
"""Where nothing is written in between, one replacement looks to SQLite like the one before."""
KINDS_OF_NEW = {"read": 4, "add": 2, "create": 1, "write": 3}

DELETED = "deleted"
SHARE_OF_DELETED = 0.15
KINDS_OF_DELETED = {
    "read": 6, "past": 4, "add": 1, "create": 2, "write": 4, "delete": 4, "undelete": 6,
}  # fmt: skip

HISTORY_S = 15.0
"""So long each state can be read, and files are kept a little longer."""

BY_POSITION = 0.7
POSITIONS_MAX = 100
"""The past that is asked for begins so many answers ago."""

PAGE_SIZES = (4096, 4096, 4096, 1024)

DISTURBED_EVERY_S = 0.4
FROZEN = 0.25
FROZEN_S_MAX = 5.0
"""Longer than a lease, which stands 3 s past the deadline of its request; and than records stay."""

REAP_S = 0.2
SCHEDULE = {"source": "aws.events"}

TABLE = "CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT)"
INSERT = "INSERT INTO kv VALUES (?, ?)"
UPDATE = "UPDATE kv SET v = ? WHERE k = ?"

PLANTS = {
    "asking": log_plants.reads_do_not_ask_the_log,
    "opening": log_plants.a_replacement_is_no_new_generation,
    "moment": log_plants.a_moment_is_the_next_one,
    "absence": log_plants.what_is_brought_back_replaces_what_is_there,
}
_COUNT = Struct("<Q")


@dataclass(frozen=True, slots=True)
class Task:
    """So many requests answered; `without` names what is taken out of the engine."""

    directory: str
    requests: int
    seed: int
    without: Sequence[str] = ()


def main(task: Task) -> None:
    """Make the history, and print the kills and freezes."""
    shared = mmap.mmap(-1, _COUNT.size * PROCESSES)
    for name in task.without:
        PLANTS[name](pytest.MonkeyPatch())
    chance = random.Random(task.seed)
    running = {_forked(task, number, shared): number for number in range(PROCESSES + 1)}
    frozen: dict[int, float] = {}
    counts: Counter[str] = Counter()
    ends_s = time.monotonic() + PATIENCE_S
    while _answered(shared) < task.requests and time.monotonic() < ends_s:
        time.sleep(chance.uniform(0, 2 * DISTURBED_EVERY_S))
        for pid in [pid for pid, until_s in frozen.items() if time.monotonic() > until_s]:
            del frozen[pid]
            os.kill(pid, signal.SIGCONT)
        pid = chance.choice([pid for pid in running if pid not in frozen])
        if chance.random() < FROZEN and len(frozen) < PROCESSES // 2:
            os.kill(pid, signal.SIGSTOP)
            frozen[pid] = time.monotonic() + chance.uniform(0, FROZEN_S_MAX)
            counts["freezes"] += 1
        else:
            os.kill(pid, signal.SIGKILL)
            counts["kills" if _waited_for(pid) == signal.SIGKILL else "crashed"] += 1
            number = running.pop(pid)
            running[_forked(task, number, shared)] = number
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        counts["crashed"] += _waited_for(pid) != signal.SIGKILL
    kept = {path.name.removeprefix("kept-") for path in Path(task.directory).glob("kept-*")}
    for database in sorted({*_names(), *kept, *DATABASES, DELETED}):
        keeper = _keeper(Path(task.directory), database)
        keeper.keep()
        counts["removed"] += keeper.removed()
    sys.stdout.write(json.dumps(counts))


def _forked(task: Task, number: int, shared: mmap.mmap) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        random.seed()
        hurry(lazy=number % 2 == 0)
        if number == REAPER:
            _reap(Path(task.directory))
        Customer(Path(task.directory), number, shared).run()
    except BaseException:  # noqa: BLE001 - told by the audit, the process ends
        path = Path(task.directory) / f"crashed-{os.getpid()}"
        path.write_text(traceback.format_exc())
    finally:
        os._exit(1)


def _reap(directory: Path) -> None:
    """Run the reaper until this process is killed. What it is to remove is kept before."""
    compact = compaction.compact

    def compacting(archive: Archive, now_s: float) -> int:
        home = archive.directory
        _keeper(directory, home.parent.name if home.name == ARCHIVE else home.name).keep()
        return compact(archive, now_s)

    compaction.compact = compacting
    passes = os.open(directory / "reaped", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while True:
        with suppress(SqlatchError):
            report = local.invoke(SCHEDULE)
            os.write(passes, (json.dumps(report) + "\n").encode())
        time.sleep(REAP_S)


def _names() -> list[str]:
    while True:
        with suppress(StorageError):
            return service().databases.names()


def _keeper(directory: Path, database: str) -> Keeper:
    return Keeper(database, directory / f"kept-{database}")


class Customer:
    """One process, which asks until it is killed."""

    def __init__(self, directory: Path, number: int, shared: mmap.mmap) -> None:
        self._number = number
        self._shared = shared
        self._arriving = directory / f"arriving-{number}.db"
        self._copies = directory / f"copies-{number}"
        self._copies.mkdir(exist_ok=True)
        self._kept = directory / "states-kept"
        self._brought_back = ""
        self._positions: dict[str, list[int]] = {}
        self._moment: dict[str, int] = {}
        self._notes = os.open(directory / f"notes-{number}", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def run(self) -> None:
        (answered,) = _COUNT.unpack_from(self._shared, self._number * _COUNT.size)
        for database in DATABASES:
            self._note("add", database)
        while True:
            database, kinds = random.choice(DATABASES), KINDS
            if database == "replaced":
                kinds = KINDS_OF_REPLACED
            if random.random() < SHARE_OF_DELETED:
                database, kinds = DELETED, KINDS_OF_DELETED
            if random.random() < NEW:
                database, kinds = f"n{int(time.time()) // NEW_S}", KINDS_OF_NEW
            (kind,) = random.choices(list(kinds), list(kinds.values()))
            if kind == "restore" and not (self._copies / database).exists():
                kind = "copy"
            answered += self._note(kind, database)
            _COUNT.pack_into(self._shared, self._number * _COUNT.size, answered)

    def _note(self, kind: str, database: str) -> bool:
        """Ask, and note the answer. Return whether it was one, and no refusal."""
        unwritten = {"read", "past", "copy", "vacuum", "delete", "undelete"}
        writes = "" if kind in unwritten else f"{self._number}-{time.time_ns()}"
        answer = partial(Answer, kind, database, writes, time.monotonic_ns())
        try:
            position, state = getattr(self, f"_{kind}")(database, writes)
        except SqlatchError as error:
            outcome = str(error.facts.get("outcome", "nothing"))
            note = answer(time.monotonic_ns(), refusal=outcome, code=error.code)
        else:
            kept = int(self._brought_back[-16:], 16) if kind == "undelete" else 0
            note = answer(time.monotonic_ns(), position, state, kept=kept)
            if position:
                self._positions.setdefault(database, []).append(position)
        if kind == "past":
            note = replace(note, at=self._moment.get("at", 0), at_ms=self._moment.get("at_ms", 0))
        os.write(self._notes, (json.dumps(asdict(note)) + "\n").encode())
        return not note.refusal

    def _read(self, database: str, _writes: str) -> tuple[int, State]:
        return _asked(database, {"query": READ})

    def _past(self, database: str, _writes: str) -> tuple[int, State]:
        """Read a state by its position, which this process was told, or by a time."""
        known = self._positions.get(database, [])[-POSITIONS_MAX:]
        if known and random.random() < BY_POSITION:
            self._moment = {"at": random.choice(known)}
            at = f"{self._moment['at']:016x}"
        else:
            at_ms = int((time.time() - random.uniform(0, HISTORY_S)) * 1000)
            self._moment = {"at_ms": at_ms}
            at = time_text(at_ms)
        return _asked(database, {"query": READ}, at=at)

    def _write(self, database: str, writes: str) -> tuple[int, State]:
        put = {"query": UPDATE, "parameters": [writes, random.randrange(KEYS)]}
        return _asked(database, put, {"query": READ})

    def _create(self, database: str, writes: str) -> tuple[int, State]:
        """Write to a database that need not exist."""
        fill = {"query": INSERT, "parameter_sets": _rows(writes)}
        return _asked(database, {"query": TABLE}, fill, {"query": READ})

    def _vacuum(self, database: str, _writes: str) -> tuple[int, None]:
        return _asked(database, {"query": "VACUUM"})[0], None

    def _add(self, database: str, writes: str) -> tuple[int, State | None]:
        copy = self._made(writes)
        service().databases.add(database, copy)
        # Of one that was deleted before, the position is not told.
        return (0, None) if database == DELETED else (1, _state_of(copy))

    def _delete(self, database: str, _writes: str) -> tuple[int, State]:
        event = {"manage": "delete", "database": database, "timeout_ms": TIMEOUT_MS}
        kept = local.invoke(event)["kept"]
        with self._kept.open("a") as told:
            told.write(f"{kept}\n")
        return int(kept[-16:], 16) + 1, []

    def _undelete(self, database: str, _writes: str) -> tuple[int, None]:
        told = self._kept.read_text().splitlines() if self._kept.exists() else []
        if not told:
            raise BadEvent("nothing is kept")
        self._brought_back = kept = random.choice(told)
        event = {"manage": "undelete", "database": database, "kept": kept}
        local.invoke({**event, "timeout_ms": TIMEOUT_MS})
        return _position(database), None

    def _replace(self, database: str, writes: str) -> tuple[int, State]:
        return _replaced(database, self._made(writes))

    def _restore(self, database: str, writes: str) -> tuple[int, State]:
        """Replace a database by a copy of it, perhaps an old one, with one row written to."""
        arriving = _cleared(self._arriving)
        shutil.copyfile(self._copies / database, arriving)
        with closing(apsw.Connection(str(arriving))) as connection:
            connection.execute(UPDATE, (writes, random.randrange(KEYS)))
        return _replaced(database, arriving)

    def _copy(self, database: str, _writes: str) -> tuple[int, State]:
        copy = _cleared(self._arriving)
        transfer._copy_out(service(), database, copy, _record(), time.time() + REPLACEMENT_S)
        copy.rename(self._copies / database)
        return _position(database), _state_of(self._copies / database)

    def _made(self, writes: str) -> Path:
        """Return a database that looks on its first page like others made here."""
        path = _cleared(self._arriving)
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute(f"PRAGMA page_size = {random.choice(PAGE_SIZES)}")
            with connection:
                connection.execute(TABLE)
                connection.executemany(INSERT, _rows(writes))
        return path


def _cleared(path: Path) -> Path:
    """Remove a file of SQLite, and what a killed process left beside it."""
    for each in (path, path.with_name(f"{path.name}-journal")):
        each.unlink(missing_ok=True)
    return path


def _rows(writes: str) -> list[list[Any]]:
    return [[0, writes], *([key, f"first {key}"] for key in range(1, KEYS))]


def _asked(database: str, *statements: dict[str, Any], **freshness: str) -> tuple[int, State]:
    event = {"database": database, "statements": list(statements), "timeout_ms": TIMEOUT_MS}
    event |= freshness
    reply = local.invoke(event)
    state = [value for (value,) in reply["results"][-1]["rows"]]
    return int(reply["meta"]["position"], 16), state


def _replaced(database: str, copy: Path) -> tuple[int, State]:
    transfer._write_over(service(), database, copy, _record(), time.time() + REPLACEMENT_S)
    return _position(database), _state_of(copy)


def _position(database: str) -> int:
    return service().databases.get(database).position or 0


def _state_of(copy: Path) -> State:
    with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        return [value for (value,) in connection.execute(READ)]


def _record() -> Record:
    return Record(function_request_id="", door="transfer")


def _answered(shared: mmap.mmap) -> int:
    return sum(count for (count,) in _COUNT.iter_unpack(shared[:]))


def _waited_for(pid: int) -> int:
    """Return the signal that ended a process, 0 if it ended by itself."""
    return os.WTERMSIG(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main(Task(**json.loads(sys.argv[1])))
