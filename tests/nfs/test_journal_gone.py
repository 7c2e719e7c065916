"""A database whose journal file is not there: made, copied in or last used by plain SQLite.

In its own mode, DELETE, SQLite removes the journal at the end of every transaction, and NFS clients
remember for up to 30 s that it is not there.
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import pytest

from tests.faults.report import record
from tests.nfs.bank import (
    ACCOUNTS,
    BALANCES,
    CREATE,
    RAISE,
    VISIT,
    create,
    raised_or_killed,
)
from tests.nfs.client import Instance
from tests.nfs.lab import Lab

pytestmark = [pytest.mark.nfs, pytest.mark.timeout(300)]

ROUNDS = 3
TIMEOUT_MS = 60_000

MAKE = """
import json, sqlite3, sys
made = sqlite3.connect(sys.argv[1])
for statement in json.loads(sys.argv[2]):
    made.execute(statement["query"], statement.get("parameters", []))
made.commit()
made.close()
"""
USE = """
import sqlite3, sys
used = sqlite3.connect(sys.argv[1], timeout=30)
assert used.execute("PRAGMA journal_mode = DELETE").fetchone() == ("delete",)
used.execute("UPDATE visit SET n = n + 1")
used.commit()
used.close()
"""


@dataclass(slots=True)
class Counts:
    """The counts of transactions killed in their commit, as the other client sees them."""

    rounds: int = 0
    undone: int = 0
    torn: list[Any] = field(default_factory=list)

    def look(self, instance: Instance, *, database: str = "main") -> None:
        """Read, before anything else, what the killed writer left."""
        reply = instance.ask(query=BALANCES, database=database)["reply"]
        accounts, smallest, largest = reply["rows"][0]
        self.rounds += 1
        if accounts != ACCOUNTS or smallest != largest:
            self.torn.append([accounts, smallest, largest])
        self.undone += largest == 0

    def record(self, name: str) -> None:
        record(name, **{**asdict(self), "torn": len(self.torn)})


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_writer_killed_after_plain_sqlite_removed_the_journal_leaves_nothing_half(
    who: str, the_lab: Lab, environment: dict[str, str]
) -> None:
    """Both clients are warm: neither opens the file anew, and so looks at its journal."""
    counts = Counts()
    plain = the_lab.a if who == "a" else the_lab.b
    with the_lab.b.instance(environment) as other:
        create(other)
        for _round in range(ROUNDS):
            with the_lab.a.instance(environment, half_written="kill") as killed:
                assert "reply" in killed.ask(query=VISIT, timeout_ms=TIMEOUT_MS)
                other.ask(query=BALANCES)
                plain.python(USE, f"{environment['SQLATCH_DATABASES']}/main.db")
                other.ask(query=BALANCES)
                assert raised_or_killed(killed, timeout_ms=TIMEOUT_MS) is None
            assert the_lab.has_hot_journal(environment)
            other.order("free leases")
            counts.look(other)

    counts.record(f"nfs_journal_removed_on_{who}")
    assert counts.torn == []
    assert counts.undone == ROUNDS


@pytest.mark.parametrize("who", ["a", "b"])
def test_a_writer_killed_in_a_database_that_plain_sqlite_made_leaves_nothing_half(
    who: str, the_lab: Lab, environment: dict[str, str]
) -> None:
    """The other client knew that there is no such database, then that it has no journal."""
    counts = Counts()
    plain = the_lab.a if who == "a" else the_lab.b
    with the_lab.b.instance(environment) as other:
        create(other)
        for number in range(ROUNDS):
            name = f"made-{number}"
            missing = other.ask(query=BALANCES, database=name)
            assert missing["error"]["code"] == "DATABASE_NOT_FOUND"
            path = f"{environment['SQLATCH_DATABASES']}/{name}.db"
            plain.python(MAKE, path, json.dumps(CREATE))
            there = other.ask(query=BALANCES, database=name, timeout_ms=TIMEOUT_MS)
            assert there["reply"]["rows"] == [[ACCOUNTS, 0, 0]]
            with the_lab.a.instance(environment, half_written="kill") as killed:
                assert raised_or_killed(killed, timeout_ms=TIMEOUT_MS, database=name) is None
            assert the_lab.has_hot_journal(environment, name)
            other.order("free leases")
            counts.look(other, database=name)
            raised = other.ask(query=RAISE, database=name)
            assert raised["reply"]["rows_affected"] == ACCOUNTS

    counts.record(f"nfs_made_by_plain_sqlite_on_{who}")
    assert counts.torn == []
    assert counts.undone == ROUNDS


def test_a_warm_writer_gets_over_a_journal_that_another_client_removed(
    the_lab: Lab, environment: dict[str, str]
) -> None:
    """For some seconds its own client says that the journal is there, until SQLite opens it."""
    with the_lab.a.instance(environment) as writer:
        create(writer)
        for number in range(ROUNDS):
            the_lab.b.shell(f"rm {environment['SQLATCH_DATABASES']}/main.db-journal")
            visit = writer.ask(query=VISIT)

            assert visit.get("reply", visit).get("rows") == [[number + 1]], visit
