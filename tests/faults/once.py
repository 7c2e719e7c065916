"""Once, and only once: a request that is repeated has one effect and one reply."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlatch.kernel.errors import StorageError
from tests.faults.campaign import after_the_lease
from tests.faults.crashes import Act, Situation, crashes, machine_in, undisturbed
from tests.faults.engines import IN_PLACE, Kept
from tests.faults.machine import Instance, LostAnswers
from tests.hrana.client import execute

LEASE_CALLS_MAX = 100

MakeLost = Callable[[int], LostAnswers]

TABLES = (
    {"query": "CREATE TABLE counter AS SELECT 0 AS n"},
    {"query": "CREATE TABLE drawn (id INTEGER PRIMARY KEY, n INTEGER)"},
)
RAISE = {"query": "UPDATE counter SET n = n + 1 RETURNING n"}
DRAW = {"query": "INSERT INTO drawn (n) VALUES (random()) RETURNING id, n"}
"""Run again it would give another number: a reply tells whether it is the first one."""
MESSAGES: dict[str, dict[str, Any]] = {
    "a": RAISE,
    "b": {"query": "INSERT INTO drawn (id) VALUES ('no number')"},
    "c": {"statements": [DRAW, {"query": "no SQL"}]},
    "d": DRAW,
}


@dataclass(slots=True)
class Counts:
    """The counts: crashes and lost answers, and the different directories they left."""

    crash_points: int = 0
    directories: int = 0
    answers_lost: int = 0
    replayed: int = 0


def ask(instance: Instance) -> Any:
    """An idempotent request; its reply must be the first one."""
    return instance.ask(statements=[RAISE, DRAW], idempotency_key="k")


def deliver(instance: Instance) -> Any:
    """A queue's batch, of which two messages are hopeless."""
    return instance.deliver(MESSAGES)


def deliver_group(instance: Instance) -> Any:
    """A FIFO queue's batch: behind the hopeless message nothing of its group is applied."""
    order = {name: MESSAGES[name] for name in ("a", "d", "b")}
    return instance.deliver({**order, "e": RAISE}, group="g")


def commit(instance: Instance) -> Any:
    """The COMMIT of a libSQL client, whose statements came in an earlier request."""
    results = instance.pipeline(execute("COMMIT"), baton=_BATON[0])["results"]
    if results[0]["type"] == "error":
        raise StorageError(results[0]["error"]["message"])
    return results


def _open_transaction(instance: Instance) -> None:
    statements = [execute(sql) for sql in ("BEGIN", RAISE["query"], DRAW["query"])]
    _BATON[:] = [instance.pipeline(*statements)["baton"]]


_BATON: list[str] = []
"""What the client of `commit` goes on with."""

HOPELESS: dict[Act, list[str]] = {deliver: ["b", "c"], deliver_group: ["b", "e"]}
"""The messages of each batch that fail however often they are delivered."""


def start_of_once(directory: Path, kept: Kept = IN_PLACE) -> Situation:
    """The tables, empty."""
    situation = Situation({}, [], kept=kept)
    for table in TABLES:
        situation = undisturbed(situation, directory, _asking(table))
    undisturbed(situation, directory, _open_transaction)
    return situation


def crash(act: Act, start: Situation, directory: Path, *, seeds: int) -> Counts:
    """Crash at each step, then ask again."""
    counts = Counts()
    for point, wrecks in crashes(start, directory, act, seeds=seeds):
        counts.crash_points += 1
        for way, wreck in wrecks.items():
            counts.directories += 1
            assert_once(wreck, directory, act, counts, f"operation {point}, {way}")
    return counts


def crash_twice(act: Act, start: Situation, directory: Path, *, every: int) -> Counts:
    """Crash at each step, ask again, crash at each step of that, then ask again."""
    counts = Counts()
    wrecks = [
        (f"operation {point}, {way}", wreck)
        for point, wrecks in crashes(start, directory, act, seeds=1)
        for way, wreck in wrecks.items()
    ]
    # Of a few, one before the commit: the repetition meets all there is to meet.
    start_at = every // 2 if len(wrecks) > every else len(wrecks) // 3
    for first, wreck in wrecks[start_at::every]:
        for point, seconds in crashes(after_the_lease(wreck), directory, act, seeds=1):
            counts.crash_points += 1
            for way, second in seconds.items():
                counts.directories += 1
                both = replace(second, reply=wreck.reply or second.reply)
                where = f"{first}, then operation {point}, {way}"
                assert_once(both, directory, act, counts, where)
    return counts


def lose_answers(act: Act, start: Situation, directory: Path, make: MakeLost) -> Counts:
    """Lose the first answer of the lease table, the second, and so on; then ask again."""
    counts = Counts()
    for number in range(1, LEASE_CALLS_MAX):
        lost = make(number)
        after = undisturbed(start, directory, _or_refused(act), lost=lost)
        assert lost.lost > 0 or is_done(act, after.reply)
        counts.directories += 1
        assert_once(after, directory, act, counts, f"lease call {number}")
        if not lost.lost:
            return counts
        counts.answers_lost += 1
    raise AssertionError("the request does not end")


def assert_once(wreck: Situation, memory: Path, act: Act, counts: Counts, where: str) -> None:
    """Ask twice more, as a caller or a queue does: one effect, and one reply for all."""
    with machine_in(after_the_lease(wreck), memory) as machine:
        with closing(machine.start()) as instance:
            there_before = instance.ask(query="SELECT * FROM counter")["rows"] == [[1]]
            counts.replayed += there_before
            reply = act(instance)
        assert is_done(act, reply), f"{where}: {reply}"
        with closing(machine.start()) as another:
            repeated = act(another)
            counter = another.ask(query="SELECT * FROM counter")["rows"]
            drawn = another.ask(query="SELECT * FROM drawn")["rows"]
        assert machine.leases == [], f"{where}: a lease is left"
    assert counter == [[1]], f"{where}: not once: {counter}"
    assert len(drawn) == 1, f"{where}: not once: {drawn}"
    assert repeated == reply, f"{where}: another reply than the first: {repeated}"
    if act is ask:
        assert reply["results"][1]["rows"] == drawn, f"{where}: another reply than the first"
    if is_done(act, wreck.reply):
        assert there_before, f"{where}: acknowledged, and not there"
        assert reply == wreck.reply, f"{where}: another reply than the first"


def is_done(act: Act, reply: Any) -> bool:
    """Return whether it acknowledges: a reply, or no more messages returned than are hopeless."""
    return reply is not None and reply == HOPELESS.get(act, reply)


def _or_refused(act: Act) -> Act:
    def acting(instance: Instance) -> Any:
        try:
            return act(instance)
        except StorageError:
            return None

    return acting


def _asking(request: dict[str, Any]) -> Callable[[Instance], Any]:
    return lambda instance: instance.ask(**request)
