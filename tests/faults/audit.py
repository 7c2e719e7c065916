"""The audit of a bank: what the processes were told, against what is in the database."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any

from sqlatch.kernel.errors import SqlatchError
from tests.conftest import Ask
from tests.faults import bank
from tests.faults.crowd import Stall
from tests.faults.notes import Note


@dataclass(frozen=True, slots=True)
class Books:
    """The counts of a bank's databases; the second half are faults."""

    acknowledged: int = 0
    refused: int = 0
    unanswered: int = 0
    lost: int = 0
    doubled: int = 0
    refused_and_kept: int = 0
    never_asked: int = 0
    wrong_sums: int = 0
    wrong_balances: int = 0
    wrong_counters: int = 0
    malformed: int = 0

    @property
    def faults(self) -> dict[str, int]:
        counts = asdict(self)
        for name in ("acknowledged", "refused", "unanswered"):
            del counts[name]
        return {name: count for name, count in counts.items() if count}


def audit(ask: Ask, databases: Iterable[str], notes: Sequence[Note]) -> Books:
    """Look into the databases, once everybody has finished."""
    sums: Counter[str] = Counter()
    for database in databases:
        mine = [note for note in notes if note.facts.get("database") == database]
        try:
            sums.update(asdict(_audit(ask, database, mine)))
        except SqlatchError as error:
            if error.code not in {"DATABASE_CORRUPT", "STORAGE_ERROR"}:
                raise
            sums["malformed"] += 1
    return Books(**sums)


def _audit(ask: Ask, database: str, notes: Sequence[Note]) -> Books:
    integrity = ask(database=database, query="PRAGMA integrity_check")["rows"]
    log = ask(database=database, query="SELECT * FROM log")["rows"]
    accounts = dict(ask(database=database, query="SELECT id, balance FROM account")["rows"])
    ((count,),) = ask(database=database, query="SELECT n FROM counter")["rows"]
    times = Counter(transfer_id for transfer_id, *_ in log)
    asked = {note.facts["id"] for note in notes if note.kind == "asked"}
    acknowledged = [note for note in notes if note.kind == "acknowledged"]
    refused = [note.facts for note in notes if note.kind == "refused"]
    certain = [facts["id"] for facts in refused if facts.get("outcome") != "unknown"]
    counts = Counter(note.facts["count"] for note in acknowledged)
    return Books(
        acknowledged=len(acknowledged),
        refused=len(refused),
        unanswered=len(asked) - len(acknowledged) - len(refused),
        lost=sum(times[note.facts["id"]] == 0 for note in acknowledged),
        doubled=sum(number > 1 for number in times.values()),
        refused_and_kept=sum(times[transfer_id] for transfer_id in certain),
        never_asked=len(times.keys() - asked),
        wrong_sums=sum(note.facts["sum"] != bank.SUM for note in acknowledged),
        wrong_balances=int(accounts != _replayed(log)),
        wrong_counters=int(count != len(log)) + sum(number > 1 for number in counts.values()),
        malformed=int(integrity != [["ok"]]),
    )


def _replayed(log: Iterable[Sequence[Any]]) -> dict[int, int]:
    """The balances that the log comes to."""
    balances = dict.fromkeys(range(bank.ACCOUNTS), bank.BALANCE)
    for _id, source, target, amount in log:
        balances[source] -= amount
        balances[target] += amount
    return balances


@dataclass(frozen=True, slots=True)
class Reads:
    """Count what the readers saw. Times in seconds, without those of a reader that stood still."""

    reads: int
    reads_refused: int
    torn_reads: int
    stale_reads: int
    reads_that_waited_for_a_lease: int
    slowest_read_s: float
    slowest_read_behind_a_stall_s: float
    slowest_read_behind_a_killed_writer_s: float


def audit_reads(notes: Sequence[Note], stalls: Sequence[Stall]) -> Reads:
    """Every read is of one moment, and knows what was acknowledged before it began."""
    reads = [note for note in notes if note.kind == "read"]
    known = _acknowledged_counts(notes)
    plain, stalled, behind_killed = [0.0], [0.0], [0.0]
    for note in reads:
        took_s = note.at_s - note.facts["started_s"]
        meanwhile = [stall for stall in stalls if _overlap(stall, note)]
        if any(stall.pid == note.pid for stall in meanwhile):
            continue
        if note.facts["lease_wait_ms"] is not None:
            behind_killed.append(took_s)
        elif meanwhile:
            stalled.append(took_s)
        else:
            plain.append(took_s)
    return Reads(
        reads=len(reads),
        reads_refused=sum(note.kind == "not read" for note in notes),
        torn_reads=sum(_is_torn(note.facts) for note in reads),
        stale_reads=sum(note.facts["count"] < known(note) for note in reads),
        reads_that_waited_for_a_lease=len(behind_killed) - 1,
        slowest_read_s=round(max(plain), 3),
        slowest_read_behind_a_stall_s=round(max(stalled), 3),
        slowest_read_behind_a_killed_writer_s=round(max(behind_killed), 3),
    )


def _is_torn(facts: dict[str, Any]) -> bool:
    return facts["sum"] != bank.SUM or facts["count"] != facts["length"]


def _overlap(stall: Stall, note: Note) -> bool:
    return stall.from_s < note.at_s and note.facts["started_s"] < stall.until_s


def _acknowledged_counts(notes: Sequence[Note]) -> Any:
    """For a read: the highest counter that was acknowledged before it began."""
    acknowledged: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for note in notes:
        if note.kind == "acknowledged":
            acknowledged[note.facts["database"]].append((note.at_s, note.facts["count"]))
    times, highest = {}, {}
    for database, pairs in acknowledged.items():
        pairs.sort()
        times[database] = [at_s for at_s, _ in pairs]
        highest[database] = list(accumulate((count for _, count in pairs), max))

    def known(read: Note) -> int:
        database = read.facts["database"]
        before = bisect_left(times.get(database, []), read.facts["started_s"])
        return highest[database][before - 1] if before else 0

    return known


def overruns(notes: Iterable[Note]) -> int:
    """Commits that began in their lease's time and ended after it: the window left to SQLite."""
    return sum(
        note.kind == "committed"
        and note.facts["started_s"] < note.facts["expires_at_s"] < note.at_s
        for note in notes
    )
