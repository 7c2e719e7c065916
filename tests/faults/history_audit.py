"""The audit of a history: what processes were told, compared with the log, replayed.

The order of the positions is the order of the requests, if it agrees with real time; and every
answer has the state of its position.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import apsw

from storage.log import ltx
from tests.faults.history_logs import kept_in

READ = "SELECT v FROM kv ORDER BY k"
KV = "SELECT 1 FROM sqlite_schema WHERE name = 'kv'"

State = list[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request was told; times in nanoseconds, of one clock for all processes.

    `writes` is a value that nothing else writes. There is no `state` where none was returned.
    """

    kind: str
    database: str
    writes: str
    began_ns: int
    ended_ns: int
    position: int = 0
    state: State | None = None
    refusal: str = ""
    code: str = ""
    kept: int = 0
    """The transaction whose state was brought back."""
    at: int = 0
    at_ms: int = 0
    """The position, or the time, of which the state was asked."""


@dataclass(slots=True)
class Counts:
    """The counts of a history, and what must be 0 in it."""

    requests: int = 0
    acknowledged: int = 0
    replaced: int = 0
    added: int = 0
    deleted: int = 0
    brought_back: int = 0
    vacuumed: int = 0
    reads: int = 0
    past: int = 0
    past_refused: int = 0
    refusals: int = 0
    corrupt: int = 0
    databases: int = 0
    records: int = 0
    removed: int = 0
    reaped: int = 0
    kills: int = 0
    freezes: int = 0
    lost_calls: int = 0
    late_calls: int = 0
    crashed: int = 0
    another_state: int = 0
    another_moment: int = 0
    against_time: int = 0
    lost: int = 0
    twice: int = 0
    refused_and_there: int = 0
    one_position_twice: int = 0


@dataclass(slots=True)
class Replayed:
    """A log, replayed: the state at each position, and where each value was written."""

    states: dict[int, State]
    times_ms: dict[int, int]
    made: dict[str, list[int]]
    made_again: int = 0


def audit(directory: Path) -> Counts:
    """Compare what the processes were told with the logs."""
    counts = Counts()
    told = defaultdict[str, list[Answer]](list)
    for answer in _answers(directory):
        told[answer.database].append(answer)
    for database, answers in told.items():
        replayed = _replayed(directory / f"kept-{database}", directory / "replayed")
        counts.databases += bool(replayed.states)
        counts.records += len(replayed.states)
        _audit(answers, replayed, counts)
    return counts


def _audit(answers: list[Answer], log: Replayed, counts: Counts) -> None:
    answered = [answer for answer in answers if not answer.refusal]
    acknowledged = [answer for answer in answered if answer.writes]
    kinds = Counter(answer.kind for answer in answered)
    counts.requests += len(answers)
    counts.acknowledged += len(acknowledged)
    counts.replaced += kinds["replace"] + kinds["restore"]
    counts.added += kinds["add"]
    counts.deleted += kinds["delete"]
    counts.brought_back += kinds["undelete"]
    counts.vacuumed += kinds["vacuum"]
    counts.reads += kinds["read"] + kinds["copy"]
    past = [one for one in answers if one.kind == "past"]
    counts.past += kinds["past"]
    counts.past_refused += len(past) - kinds["past"]
    counts.refusals += len(answers) - len(answered)
    counts.corrupt += sum(one.code == "DATABASE_CORRUPT" for one in answers)
    placed = [one for one in answered if one.position]
    counts.another_state += sum(_is_of_another_state(one, log.states) for one in placed)
    newest = [one for one in placed if one.kind != "past"]
    counts.against_time += sum(_against_time(newest))
    counts.against_time += sum(_missed(answers, newest, log.states))
    counts.another_moment += sum(_of_another_moment(past, newest, log))
    counts.lost += sum(_is_lost(one, log.made) for one in acknowledged)
    counts.twice += sum(len(places) > 1 for places in log.made.values()) + log.made_again
    certain = [one for one in answers if one.refusal == "nothing"]
    counts.refused_and_there += sum(one.writes in log.made for one in certain)
    positions = Counter(one.position for one in acknowledged if one.position)
    counts.one_position_twice += sum(number > 1 for number in positions.values())


def _is_of_another_state(one: Answer, states: Mapping[int, State]) -> bool:
    if one.kept and states.get(one.kept) != states.get(one.position):
        return True
    return one.position not in states or one.state not in (None, states[one.position])


def _is_lost(one: Answer, made: Mapping[str, list[int]]) -> bool:
    """Return whether what was acknowledged is not in the log; where its place was not told,
    anywhere."""
    return one.position not in made.get(one.writes, ()) if one.position else one.writes not in made


def _missed(
    answers: list[Answer], placed: list[Answer], states: Mapping[int, State]
) -> Iterator[bool]:
    """For each that found no database, whether there was one at each position from the newest
    that had come before it began."""
    absent = [0, *(position for position, state in states.items() if not state)]
    ends = sorted((one.ended_ns, one.position) for one in placed)
    for one in answers:
        if one.code == "DATABASE_NOT_FOUND" and one.kind != "past":
            newest = max((at for ended_ns, at in ends if ended_ns < one.began_ns), default=0)
            yield max(absent) < newest


def _of_another_moment(past: list[Answer], newest: list[Answer], log: Replayed) -> Iterator[bool]:
    """For each that asked for a moment of the past, whether the answer is of another one, or there
    was none though the database is there and was there then.

    Of a time it is the last position before anything later. A commit may come after the answer
    with a time before it: only what others had been told of before is held against an answer.
    """
    ends = sorted((one.ended_ns, one.position) for one in newest)
    absent = [0, *(position for position, state in log.states.items() if not state)]
    order = sorted(log.times_ms)
    latest_ms = list(accumulate((log.times_ms[position] for position in order), max))
    for one in past:
        known = max((at for ended_ns, at in ends if ended_ns < one.began_ns), default=0)
        if one.code == "DATABASE_NOT_FOUND":
            yield bool(one.at and log.states.get(one.at)) and max(absent) < known
        elif one.at and not one.refusal:
            yield one.position != one.at
        elif not one.refusal:
            last = bisect_right(latest_ms, one.at_ms)
            at = order[last - 1] if last else 0
            yield not min(at, known) <= one.position <= at


def _against_time(answered: list[Answer]) -> Iterator[bool]:
    """For each answer, whether another with a greater position had come before it began."""
    ends = sorted((one.ended_ns, one.position) for one in answered)
    newest, at = 0, 0
    for one in sorted(answered, key=lambda one: one.began_ns):
        while at < len(ends) and ends[at][0] < one.began_ns:
            newest = max(newest, ends[at][1])
            at += 1
        yield one.position < newest


def _replayed(kept: Path, copy: Path) -> Replayed:
    """Replay what was kept of a log, by plain writes and plain SQLite.

    What replaces a database writes a value that was never there, beside others that perhaps were.
    One that is deleted is empty, and what is brought back is a state that was there before.
    """
    replayed = Replayed({}, {}, defaultdict(list))
    copy.unlink(missing_ok=True)
    before: State = []
    with copy.open("w+b", 0) as file:
        for content in kept_in(kept):
            header, pages = ltx.decode(content)
            for number, page in pages.items():
                file.seek((number - 1) * header.page_size)
                file.write(page)
            file.truncate(header.pages * header.page_size)
            state = _state(copy)
            new = set(state) - set(before)
            if header.is_snapshot and state != before:
                new = {value for value in new if value not in replayed.made}
                is_brought_back = not before and state in replayed.states.values()
                replayed.made_again += bool(state) and not new and not is_brought_back
            for value in new:
                replayed.made[value].append(header.last)
            replayed.states[header.last] = before = state
            replayed.times_ms[header.last] = header.at_ms
    return replayed


def _state(copy: Path) -> State:
    # A connection of its own for each: none goes by what it has cached.
    with closing(apsw.Connection(str(copy), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
        if not reader.execute(KV).fetchall():
            return []
        return [value for (value,) in reader.execute(READ)]


def _answers(directory: Path) -> Iterator[Answer]:
    for path in sorted(directory.glob("notes-*")):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):
                yield Answer(**json.loads(line))
