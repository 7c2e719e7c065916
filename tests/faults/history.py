"""A history of requests on databases in a log, by processes that are killed and frozen.

python -m tests.faults.history '{"directory": ..., ...}'     makes the history below a directory

Every process notes when a request began and ended, and what it was told: its position, and the
whole state that it saw. `audit` compares that with the log, replayed record by record: the order of
the positions is the order of the requests, if it agrees with real time, and every answer with its
state.
"""

import json
import mmap
import os
import random
import signal
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from struct import Struct
from typing import Any

import apsw
import pytest

from handler import local
from sqlatch.kernel.errors import SqlatchError
from storage.log import ltx
from storage.log.directory import DirectoryLog
from tests.faults import log_plants

PROCESSES = 8
DATABASES = ("a", "b", "c", "d")
KEYS = 8
WRITES = 0.2
TIMEOUT_MS = 400
PATIENCE_S = 1_500.0

DISTURBED_EVERY_S = 0.4
FROZEN = 0.25
FROZEN_S_MAX = 5.0
"""Longer than a lease, which stands 3 s past the deadline of its request."""

READ = "SELECT v FROM kv ORDER BY k"
_COUNT = Struct("<Q")


@dataclass(frozen=True, slots=True)
class Task:
    """So many requests answered; `without` names what is taken out of the engine."""

    directory: str
    requests: int
    seed: int
    without: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request was told; times in nanoseconds, of one clock for all processes."""

    database: str
    writes: str
    began_ns: int
    ended_ns: int
    position: int
    state: list[str]
    refusal: str = ""


@dataclass(slots=True)
class Counts:
    """The counts of a history, and what must be 0 in it."""

    requests: int = 0
    acknowledged: int = 0
    reads: int = 0
    refusals: int = 0
    records: int = 0
    kills: int = 0
    freezes: int = 0
    crashed: int = 0
    another_state: int = 0
    against_time: int = 0
    lost: int = 0
    twice: int = 0
    refused_and_there: int = 0
    one_position_twice: int = 0


def main(task: Task) -> None:
    """Make the history, and note the kills and freezes."""
    shared = mmap.mmap(-1, _COUNT.size * PROCESSES)
    _waited_for(_forked(_prepare))
    chance = random.Random(task.seed)
    running = {_forked(_work, task, number, shared): number for number in range(PROCESSES)}
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
            running[_forked(_work, task, number, shared)] = number
    for pid in running:
        os.kill(pid, signal.SIGKILL)
        _waited_for(pid)
    sys.stdout.write(json.dumps(counts))


def audit(directory: Path) -> Counts:
    """Compare what the processes were told with the log."""
    counts = Counts()
    told = defaultdict[str, list[Answer]](list)
    for answer in _answers(directory):
        told[answer.database].append(answer)
    for database, answers in told.items():
        states = list(_replayed(directory / "shared" / database / "log", directory / "replayed"))
        counts.records += len(states) - 1
        _audit(answers, states, counts)
    return counts


def _audit(answers: list[Answer], states: list[list[str]], counts: Counts) -> None:
    made = Counter(
        value for before, after in pairwise(states) for value in set(after) - set(before)
    )
    answered = [answer for answer in answers if not answer.refusal]
    acknowledged = [answer for answer in answered if answer.writes]
    counts.requests += len(answers)
    counts.acknowledged += len(acknowledged)
    counts.reads += len(answered) - len(acknowledged)
    counts.refusals += len(answers) - len(answered)
    counts.another_state += sum(states[one.position] != one.state for one in answered)
    counts.against_time += sum(_against_time(answered))
    counts.lost += sum(made[one.writes] == 0 for one in acknowledged)
    counts.twice += sum(number > 1 for number in made.values())
    certain = [one for one in answers if one.refusal == "nothing"]
    counts.refused_and_there += sum(made[one.writes] for one in certain if one.writes)
    positions = Counter(one.position for one in acknowledged)
    counts.one_position_twice += sum(number > 1 for number in positions.values())


def _against_time(answered: list[Answer]) -> Iterator[bool]:
    """For each answer, whether another with a greater position had come before it began."""
    ends = sorted((one.ended_ns, one.position) for one in answered)
    newest, at = 0, 0
    for one in sorted(answered, key=lambda one: one.began_ns):
        while at < len(ends) and ends[at][0] < one.began_ns:
            newest = max(newest, ends[at][1])
            at += 1
        yield one.position < newest


def _replayed(log: Path, copy: Path) -> Iterator[list[str]]:
    """Yield the state after each record, and first the one before all of them: none."""
    copy.unlink(missing_ok=True)
    yield []
    with closing(DirectoryLog(log, now=lambda: 0.0)) as opened, copy.open("w+b", 0) as file:
        for record in opened.sync(1.0):
            header, pages = ltx.decode(record.content)
            for number, content in pages.items():
                file.seek((number - 1) * header.page_size)
                file.write(content)
            file.truncate(header.pages * header.page_size)
            # A connection of its own for each: none goes by what it has cached.
            with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
                yield [value for (value,) in reader.execute(READ)]


def _answers(directory: Path) -> Iterator[Answer]:
    for path in sorted(directory.glob("notes-*")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield Answer(**json.loads(line))


def _prepare() -> None:
    for database in DATABASES:
        rows = [[key, f"first {key}"] for key in range(KEYS)]
        create = {"query": "CREATE TABLE kv (k INTEGER PRIMARY KEY, v TEXT)"}
        fill = {"query": "INSERT INTO kv VALUES (?, ?)", "parameter_sets": rows}
        local.invoke({"database": database, "statements": [create, fill]})


def _work(task: Task, number: int, shared: mmap.mmap) -> None:
    """Read and write until this process is killed."""
    chance = random.Random()
    if "asking" in task.without:
        log_plants.reads_do_not_ask_the_log(pytest.MonkeyPatch())
    path = Path(task.directory) / f"notes-{number}"
    notes = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    (answered,) = _COUNT.unpack_from(shared, number * _COUNT.size)
    while True:
        writes = f"{number}-{time.time_ns()}" if chance.random() < WRITES else ""
        note = _answer(chance.choice(DATABASES), writes, chance.randrange(KEYS))
        os.write(notes, (json.dumps(asdict(note)) + "\n").encode())
        answered += not note.refusal
        _COUNT.pack_into(shared, number * _COUNT.size, answered)


def _answer(database: str, writes: str, key: int) -> Answer:
    put = {"query": "UPDATE kv SET v = ? WHERE k = ?", "parameters": [writes, key]}
    statements = [*([put] if writes else []), {"query": READ}]
    event = {"database": database, "statements": statements, "timeout_ms": TIMEOUT_MS}
    began_ns = time.monotonic_ns()
    try:
        reply = local.invoke(event)
    except SqlatchError as error:
        outcome = str(error.facts.get("outcome", "nothing"))
        return Answer(database, writes, began_ns, time.monotonic_ns(), 0, [], outcome)
    ended_ns = time.monotonic_ns()
    state = [value for (value,) in reply["results"][-1]["rows"]]
    position = int(reply["meta"]["position"], 16)
    return Answer(database, writes, began_ns, ended_ns, position, state)


def _answered(shared: mmap.mmap) -> int:
    return sum(count for (count,) in _COUNT.iter_unpack(shared[:]))


def _forked(act: Any, *arguments: Any) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            act(*arguments)
            status = 0
        finally:
            os._exit(status)
    return pid


def _waited_for(pid: int) -> int:
    """Return the signal that ended a process, 0 if it ended by itself."""
    return os.WTERMSIG(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    main(Task(**json.loads(sys.argv[1])))
