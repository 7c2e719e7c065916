"""Requests of libSQL clients that die at any operation and are sent again, while others write."""

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.faults.campaign import after_the_lease
from tests.faults.crashes import Situation, crashes, machine_in, undisturbed
from tests.faults.engines import IN_PLACE, Kept
from tests.faults.machine import Instance
from tests.hrana.client import execute

Requests = list[dict[str, Any]]
Row = tuple[str | None, str | None]

TABLES = {
    "statements": [
        {"query": "CREATE TABLE log (id INTEGER PRIMARY KEY, tag TEXT, parent INTEGER)"},
        {"query": "CREATE TABLE taken (id INTEGER PRIMARY KEY)"},
        {"query": "INSERT INTO taken VALUES (1)"},
    ]
}
OTHERS = (
    {
        "statements": [
            {"query": "DELETE FROM taken"},
            {"query": "INSERT INTO log (tag) VALUES ('')"},
        ]
    },
    {"statements": [{"query": "DELETE FROM taken"}, {"query": "INSERT INTO taken VALUES (1)"}]},
)
"""What others write before the first repeat and before the second: conditions turn round by it."""

TAKE = "INSERT INTO taken VALUES (1)"
TAKE_OR_ROLLBACK = "INSERT OR ROLLBACK INTO taken VALUES (1)"
_TAG = re.compile(r"'(\w+)'")
_CHILD = "child"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A request; before it, in requests of its stream, `opened` and what makes it known again."""

    name: str
    requests: Requests
    known_by: str = "key"
    opened: tuple[str, ...] = ()


@dataclass(slots=True)
class Counts:
    """The counts: crashes, the directories they left, and what the repeats found there."""

    crash_points: int = 0
    directories: int = 0
    replayed: int = 0
    replayed_in_part: int = 0


@dataclass(slots=True)
class Books:
    """Return what the answers say is in the log: tags, with rowid and parent where they tell."""

    there: dict[str, Row] = field(default_factory=dict)
    pending: dict[str, Row] | None = None
    last_rowid: str | None = None

    def enter(self, sql: str, result: dict[str, Any] | None, code: str) -> None:
        """Take a statement's answer into account; `code` is that of its error, if it failed."""
        verb = sql.split()[0]
        if result is None:
            if sql == TAKE_OR_ROLLBACK and code == "SQLITE_CONSTRAINT":
                self.pending = None
        elif verb == "BEGIN" or (verb == "SAVEPOINT" and self.pending is None):
            self.pending = {}
        elif verb in {"COMMIT", "RELEASE"}:
            self.there |= self.pending or {}
            self.pending = None
        elif verb == "ROLLBACK":
            self.pending = None
        elif tag := _TAG.search(sql):
            book = self.there if self.pending is None else self.pending
            parent = self.last_rowid if tag[1].startswith(_CHILD) else None
            book[tag[1]] = result["last_insert_rowid"], parent
        if result is not None and verb == "INSERT":
            self.last_rowid = result["last_insert_rowid"]


def put(tag: str) -> str:
    return f"INSERT INTO log (tag) VALUES ('{tag}')"


def put_child(tag: str) -> str:
    """A row that must stand under the row that the stream has inserted last."""
    return f"INSERT INTO log (tag, parent) VALUES ('{_CHILD}{tag}', last_insert_rowid())"


def batch(*steps: Any) -> dict[str, Any]:
    pairs = [(one, None) if isinstance(one, str) else one for one in steps]
    return {
        "type": "batch",
        "batch": {"steps": [{"stmt": {"sql": sql}, "condition": when} for sql, when in pairs]},
    }


def run(
    scenario: Scenario, directory: Path, *, seeds: int, every: int = 1, kept: Kept = IN_PLACE
) -> Counts:
    """Crash at each operation, or each so many; let others write, and send the request again."""
    counts = Counts()
    start, act = _start_of(scenario, directory, kept)
    for point, wrecks in crashes(start, directory, act, seeds=seeds, every=every):
        counts.crash_points += 1
        for way, wreck in wrecks.items():
            counts.directories += 1
            where = f"{scenario.name}: operation {point}, {way}"
            _check(scenario, wreck, directory, act, counts=counts, where=where)
    return counts


def run_twice(scenario: Scenario, directory: Path, *, every: int) -> Counts:
    """Crash at each so many operations, let others write, and crash the repeat of it likewise."""
    counts = Counts()
    start, act = _start_of(scenario, directory, IN_PLACE)
    for first, wrecks in crashes(start, directory, act, seeds=0, every=every):
        for way, wreck in wrecks.items():
            begun = undisturbed(
                after_the_lease(wreck), directory, lambda instance: instance.ask(**OTHERS[0])
            )
            for point, seconds in crashes(begun, directory, act, seeds=0, every=every):
                counts.crash_points += 1
                for second_way, second in seconds.items():
                    counts.directories += 1
                    both = replace(second, reply=wreck.reply or second.reply)
                    where = f"{scenario.name}: operations {first}, {way}, {point}, {second_way}"
                    _check(scenario, both, directory, act, counts=counts, where=where)
    return counts


Act = Callable[[Instance], Any]


def _start_of(scenario: Scenario, directory: Path, kept: Kept) -> tuple[Situation, Act]:
    """Return the state before the request, and the request."""
    empty = Situation({}, [], kept=kept)
    start = undisturbed(empty, directory, lambda instance: instance.ask(**TABLES))
    if scenario.known_by == "key":
        known_by = {"idempotency_key": "k"}
    else:
        before = [execute(sql) for sql in scenario.opened]
        start = undisturbed(start, directory, lambda instance: instance.pipeline(*before))
        known_by = {"baton": start.reply["baton"]}
    return start, lambda instance: instance.pipeline(*scenario.requests, **known_by)["results"]


def _check(
    scenario: Scenario, wreck: Situation, directory: Path, act: Act, *, counts: Counts, where: str
) -> None:
    """Send it twice more; others write before each. The answers must be those that hold."""
    with machine_in(after_the_lease(wreck), directory) as machine:
        with closing(machine.start()) as instance:
            before = _tags(instance)
            instance.ask(**OTHERS[0])
            results = act(instance)
        with closing(machine.start()) as another:
            another.ask(**OTHERS[1])
            repeated = act(another)
            rows = another.ask(query="SELECT tag, id, parent FROM log WHERE tag <> ''")["rows"]
        assert machine.leases == [], f"{where}: a lease is left"
    if wreck.reply is not None:
        assert results == wreck.reply, f"{where}: another answer than the first: {results}"
    assert repeated == results, f"{where}: another answer than before: {repeated}, not {results}"
    _compare(scenario, results, rows, where)
    counts.replayed += len(before) == len(rows)
    counts.replayed_in_part += 0 < len(before) < len(rows)


def _compare(scenario: Scenario, results: list[Any], rows: list[Any], where: str) -> None:
    """The rows must be those that the answers speak of, each once and under its own rowid."""
    books = Books()
    for sql in scenario.opened:
        books.enter(sql, {"last_insert_rowid": None}, "")
    for sql, result, code in _answers(scenario.requests, results):
        books.enter(sql, result, code)
    tags = sorted(tag for tag, _id, _parent in rows)
    assert tags == sorted(books.there), f"{where}: {tags} are there, by the answers {books.there}"
    for tag, rowid, parent in rows:
        said_rowid, said_parent = books.there[tag]
        assert said_rowid in {str(rowid), None}, f"{where}: {tag} is row {rowid}, not {said_rowid}"
        assert said_parent in {str(parent), None}, f"{where}: {tag} stands under row {parent}"


def _answers(
    requests: Requests, results: list[Any]
) -> Iterator[tuple[str, dict[str, Any] | None, str]]:
    """Each statement that ran, its result, or the code of its error."""
    for request, answer in zip(requests, results, strict=True):
        result = answer.get("response", {}).get("result")
        code = answer.get("error", {}).get("code", "")
        if request["type"] == "execute":
            yield request["stmt"]["sql"], result, code
        elif request["type"] == "sequence":
            assert answer["type"] == "ok", "which of its statements failed is not said"
            for sql in request["sql"].split("; "):
                yield sql, {"last_insert_rowid": None}, ""
        elif request["type"] == "batch":
            pairs = zip(result["step_results"], result["step_errors"], strict=True)
            for step, (done, error) in zip(request["batch"]["steps"], pairs, strict=True):
                if done or error:
                    yield step["stmt"]["sql"], done, (error or {}).get("code", "")


def _tags(instance: Instance) -> list[Any]:
    rows: list[Any] = instance.ask(query="SELECT tag FROM log WHERE tag <> ''")["rows"]
    return rows


OK, ERROR = {"type": "ok", "step": 0}, {"type": "error", "step": 0}
AUTOCOMMIT = {"type": "is_autocommit"}
IN_TRANSACTION = {"type": "not", "cond": AUTOCOMMIT}
GET_AUTOCOMMIT = {"type": "get_autocommit"}
DESCRIBE = {"type": "describe", "sql": "SELECT id FROM taken WHERE id = :id"}

CONDITIONS: Requests = [
    batch(
        TAKE,
        (put("a"), OK),
        (put("b"), ERROR),
        put_child("b"),
        put("c"),
        ("BEGIN", OK),
        put("d"),
        ("COMMIT", IN_TRANSACTION),
    )
]
ENDED_BY_SQLITE: Requests = [
    batch(
        "BEGIN",
        put("a"),
        TAKE_OR_ROLLBACK,
        (put("b"), AUTOCOMMIT),
        (put("c"), IN_TRANSACTION),
        ("COMMIT", IN_TRANSACTION),
        put("d"),
    )
]
SEVERAL: Requests = [
    execute(TAKE),
    execute("BEGIN"),
    execute(put("a")),
    execute(put_child("a")),
    execute("COMMIT"),
    DESCRIBE,
    GET_AUTOCOMMIT,
    execute("SELECT count(*), last_insert_rowid() FROM log"),
    execute("SAVEPOINT s"),
    execute(put("b")),
    GET_AUTOCOMMIT,
    execute("RELEASE s"),
    {"type": "sequence", "sql": f"{put('c')}; BEGIN; {put('d')}; {put_child('d')}; COMMIT"},
    execute("BEGIN"),
    execute(put("e")),
    execute("ROLLBACK"),
    execute(put("f"), want_rows=False),
]
CARRIED: Requests = [
    DESCRIBE,
    execute(put("b")),
    execute("SELECT count(*) FROM log"),
    execute("COMMIT"),
    execute(put_child("b")),
    execute("SELECT count(*) FROM taken"),
    execute(put("c")),
]
GIVEN_UP: Requests = [
    execute("ROLLBACK"),
    batch(TAKE, (put("b"), OK), (put("c"), ERROR)),
    execute(put_child("c")),
]
OPENED = ("BEGIN", put("a"))

SCENARIOS = (
    *(
        Scenario(f"{name}, by its {known_by}", requests, known_by)
        for name, requests in {
            "conditions": CONDITIONS,
            "ended by SQLite": ENDED_BY_SQLITE,
            "several transactions": SEVERAL,
        }.items()
        for known_by in ("key", "baton")
    ),
    Scenario("a transaction of an earlier request", CARRIED, "baton", OPENED),
    Scenario(
        "its savepoint",
        [execute("RELEASE s"), execute(put("b"))],
        "baton",
        ("SAVEPOINT s", put("a")),
    ),
    Scenario("a transaction given up", GIVEN_UP, "baton", OPENED),
)
