"""The requests of the campaign, during which the machine crashes."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, StorageError
from tests.faults.crashes import Situation, undisturbed
from tests.faults.disk import image_of, put_image
from tests.faults.engines import IN_PLACE, Kept
from tests.faults.machine import Instance

ROWS = 40
NOTE = "x" * 400
"""Forty rows of 400 bytes lie on five pages, so that a transaction can be torn between them."""

Requests = tuple[dict[str, Any], ...]

ACCOUNTS: Requests = (
    {
        "statements": [
            {"query": "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER, note TEXT)"},
            {"query": "CREATE INDEX balances ON account (balance)"},
            {"query": "CREATE TABLE counter AS SELECT 0 AS n"},
        ]
    },
    {
        "query": "INSERT INTO account (balance, note) VALUES (?, ?)",
        "parameter_sets": [[100 + n, NOTE] for n in range(ROWS)],
    },
)
RAISE = "UPDATE counter SET n = n + 1"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A database made by `setup`, and what an instance does to it.

    `warm`: it has written before, so that its connections are open. `reply`: what acknowledges it,
    if not every reply does. `copied_in`: the database then comes from elsewhere, in that journal
    mode, and the service has not seen it yet. `prepare` is done last before it.
    """

    name: str
    act: Callable[[Instance], Any]
    setup: Requests = ACCOUNTS
    copied_in: str = ""
    warm: bool = False
    changes: bool = True
    reply: Any = None
    prepare: Callable[[Situation, Path], Situation] = lambda start, _directory: start


def start_of(scenario: Scenario, directory: Path, kept: Kept = IN_PLACE) -> Situation:
    """Make the state before it."""
    start = Situation({}, [], kept=kept)
    for request in scenario.setup:
        start = undisturbed(start, directory, ask(**request))
    if scenario.copied_in:
        start = _from_elsewhere(start, directory, scenario.copied_in)
    return scenario.prepare(start, directory)


def _from_elsewhere(start: Situation, directory: Path, journal_mode: str) -> Situation:
    """The same as plain SQLite leaves it that was killed with the file open, or has closed it."""
    put_image(directory, {"main.db": start.image["main.db"]})
    with closing(sqlite3.connect(directory / "main.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal_mode}")
        connection.execute("DROP TABLE sqlatch_idempotency")
        connection.execute("INSERT INTO account (balance) VALUES (-9)")
        image = image_of(directory)
    image.pop("main.db-shm", None)
    return Situation(image, [])


def named(name: str) -> Scenario:
    return next(scenario for scenario in SCENARIOS if scenario.name == name)


def ask(**fields: Any) -> Callable[[Instance], Any]:
    return lambda instance: instance.ask(**fields)


def write_over_libsql(instance: Instance) -> Any:
    """A write by itself; an error of the file is raised as the direct door raises it."""
    sql = "UPDATE account SET balance = balance + 1"
    reply = instance.pipeline({"type": "execute", "stmt": {"sql": sql}})
    (result,) = reply["results"]
    if result["type"] == "ok":
        return reply
    code, message = result["error"]["code"], result["error"]["message"]
    if code in {"SQLITE_CORRUPT", "SQLITE_NOTADB"}:
        raise DatabaseCorrupt(message)
    if code == "SQLITE_BUSY":
        raise DatabaseBusy(message)
    assert code in {"SQLITE_IOERR", "SQLITE_FULL", "SQLITE_CANTOPEN"}, result
    if "the commit failed" in message:
        raise StorageError(message, outcome="unknown")
    raise StorageError(message)


MESSAGES: dict[str, dict[str, Any]] = {
    "a": {"query": RAISE},
    "b": {"query": "UPDATE account SET balance = balance + 1 WHERE id % 7 = 0"},
    "c": {"query": "INSERT INTO account (id) VALUES (1)"},
    "d": {"query": "no SQL"},
    "e": {"query": "INSERT INTO account (balance, note) VALUES (7, 'new')"},
}
HOPELESS = ["c", "d"]


SCENARIOS = (
    Scenario("one-row write", ask(query="UPDATE account SET balance = -1 WHERE id = 3")),
    Scenario(
        "one-row write, warm", ask(query="INSERT INTO account VALUES (99, 1, 'x')"), warm=True
    ),
    Scenario(
        "batch",
        ask(
            statements=[
                {"query": "UPDATE account SET balance = balance - 50 WHERE id = 1"},
                {"query": "UPDATE account SET balance = balance + 50 WHERE id = 40"},
                {"query": "DELETE FROM account WHERE id BETWEEN 10 AND 20"},
                {"query": RAISE},
            ]
        ),
    ),
    Scenario(
        "parameter sets",
        ask(
            query="INSERT INTO account (balance, note) VALUES (?, ?)",
            parameter_sets=[[n, NOTE] for n in range(ROWS)],
        ),
    ),
    Scenario(
        "DDL",
        ask(
            statements=[
                {"query": "ALTER TABLE account ADD COLUMN owner TEXT DEFAULT 'nobody'"},
                {"query": "CREATE TABLE copy AS SELECT * FROM account"},
                {"query": "CREATE UNIQUE INDEX notes ON copy (id, note)"},
                {"query": "DROP INDEX balances"},
                {"query": "DROP TABLE counter"},
            ]
        ),
    ),
    Scenario(
        "VACUUM",
        ask(query="VACUUM"),
        setup=(*ACCOUNTS, {"query": "DELETE FROM account WHERE id % 3 = 0"}),
        changes=False,
    ),
    Scenario("idempotent write", ask(query=RAISE, idempotency_key="k"), warm=True),
    Scenario("write over libSQL", write_over_libsql),
    Scenario(
        "SQS batch with a failing message",
        lambda instance: instance.deliver(MESSAGES),
        reply=HOPELESS,
    ),
    Scenario(
        "first creation",
        ask(
            statements=[
                {"query": "CREATE TABLE account (id INTEGER PRIMARY KEY, balance INTEGER)"},
                {"query": "INSERT INTO account VALUES (1, 100), (2, 200)"},
            ]
        ),
        setup=(),
    ),
)

READ = Scenario("a read", ask(query="SELECT count(*) FROM account"), changes=False)
HEALTH = Scenario("the health of the service", Instance.health, changes=False)

COPIED_IN = tuple(
    Scenario(
        f"first {verb} of a database copied in, journal mode {mode}",
        ask(query=RAISE if verb == "write" else "SELECT count(*) FROM account"),
        copied_in=mode,
        changes=verb == "write",
    )
    for mode, verb in (
        ("delete", "read"),
        ("delete", "write"),
        ("truncate", "write"),
        ("wal", "read"),
        ("wal", "write"),
    )
)

LARGE_WRITE = Scenario(
    "write of all rows",
    ask(query="UPDATE account SET balance = balance + 1, note = note || 'y'"),
    warm=True,
)

LARGE_DATABASE = Scenario(
    "write of 1,400 rows",
    ask(query="UPDATE account SET balance = balance + 1"),
    setup=(
        *ACCOUNTS,
        {
            "query": "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c LIMIT 1360)"
            " INSERT INTO account (balance, note) SELECT n, printf('%0800d', n) FROM c"
        },
    ),
)
"""Its journal, of more than a megabyte, is cut back."""
