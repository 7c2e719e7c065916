"""A bank that is raised as a whole: unless a transaction was torn, all its balances are equal."""

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.nfs.client import Client, Instance, InstanceGone

ACCOUNTS = 2_000
"""With their notes some 230 pages, so that a commit writes for a while."""

COMMITS_MEASURED = 5
TRIES_MAX = 10
OUT_OF_TIME = ("TIMEOUT", "LEASE_BUSY", "LEASE_LOST")
"""The errors of a request whose deadline came before its commit."""

CREATE = [
    {"query": "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)"},
    {
        "query": "INSERT INTO account (balance, note)"
        " WITH RECURSIVE i (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM i LIMIT ?)"
        " SELECT 0, printf('%.*c', 400, 'x') FROM i",
        "parameters": [ACCOUNTS],
    },
    {"query": "CREATE TABLE visit AS SELECT 0 AS n"},
]
RAISE = "UPDATE account SET balance = balance + 1"
BALANCES = "SELECT count(*), min(balance), max(balance) FROM account"
VISIT = "UPDATE visit SET n = n + 1 RETURNING n"


def create(instance: Instance) -> None:
    reply = instance.ask(statements=CREATE)
    assert "reply" in reply, reply


def balances(instance: Instance) -> tuple[int, int, int]:
    """Return the number of accounts, the smallest balance and the largest."""
    answer = instance.ask(query=BALANCES)
    assert "reply" in answer, answer
    count, smallest, largest = answer["reply"]["rows"][0]
    return count, smallest, largest


def commit_ms(instance: Instance) -> float:
    """Return the time that the commit of a raise takes when nothing else goes on."""
    answers = [instance.ask(query=RAISE) for _commit in range(COMMITS_MEASURED)]
    return round(statistics.median(answer["commit_ms"] for answer in answers), 1)


def raised_or_killed(
    instance: Instance, *, timeout_ms: int, database: str = "main"
) -> dict[str, Any] | None:
    """Return the instance's answer to a raise, None if it died before."""
    try:
        return instance.ask(query=RAISE, timeout_ms=timeout_ms, database=database)
    except InstanceGone:
        return None


def held_in_commit(instance: Instance, *, timeout_ms: int) -> None:
    """Send a raise to an instance that is to be held in its commit, and return when it is.

    A busy machine may come to the deadline first. Then nothing was written, and it is sent again.
    """
    for _try in range(TRIES_MAX):
        instance.send({"event": {"query": RAISE, "timeout_ms": timeout_ms}})
        answer = instance.receive()
        if answer == {"held": True}:
            return
        assert answer["error"]["code"] in OUT_OF_TIME, answer
    raise AssertionError(f"not held after {TRIES_MAX} tries")


@dataclass(slots=True)
class Watch:
    """The observations of a reader that never stopped reading."""

    reads: int = 0
    torn: list[list[int]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    longest_ms: float = 0

    def note(self, answer: dict[str, Any], took_ms: float) -> None:
        self.reads += 1
        self.longest_ms = max(self.longest_ms, took_ms)
        if "error" in answer:
            self.errors.append(answer["error"])
            return
        count, smallest, largest = answer["reply"]["rows"][0]
        if count != ACCOUNTS or smallest != largest:
            self.torn.append([count, smallest, largest])


@contextmanager
def watched(client: Client, environment: dict[str, str], **faults: Any) -> Iterator[Watch]:
    """Have a client read the balances all the time, inside the block."""
    watch = Watch()
    stop = threading.Event()

    def read(instance: Instance) -> None:
        while not stop.is_set():
            started_s = time.monotonic()
            answer = instance.ask(query=BALANCES, timeout_ms=60_000)
            watch.note(answer, (time.monotonic() - started_s) * 1000)

    with client.instance(environment, **faults) as instance:
        reader = threading.Thread(target=read, args=[instance])
        reader.start()
        try:
            yield watch
        finally:
            stop.set()
            reader.join()
