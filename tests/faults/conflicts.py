"""Transactions of libSQL clients beside another writer: a conflict wherever an answer would differ.

The oracle is plain SQLite: the same statements, run once before what the other writes, once after.
"""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import apsw

from tests.faults.engines import IN_PLACE, Kept
from tests.faults.machine import Instance, Machine
from tests.hrana.client import execute, plain

SCHEMA = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
    "CREATE TABLE u (n UNIQUE)",
    "CREATE TABLE log (n)",
    "CREATE TRIGGER tr AFTER DELETE ON t BEGIN INSERT INTO log VALUES (old.n); END",
)
ROWS = ("INSERT INTO t VALUES (1, 10), (2, 10), (3, 30)", "INSERT INTO u VALUES (1), (2)")

TRANSACTIONS = (
    ("SELECT n FROM t WHERE id = 2",),
    ("SELECT n FROM t WHERE id = 2", "INSERT INTO log VALUES (1)"),
    ("UPDATE t SET n = 7 WHERE n = 10",),
    ("UPDATE t SET n = 10 WHERE n = 10",),
    ("DELETE FROM t WHERE n = 10",),
    ("DELETE FROM t",),
    ("INSERT INTO t (n) VALUES (5)",),
    ("INSERT OR REPLACE INTO t VALUES (2, 5)",),
    ("INSERT OR IGNORE INTO u VALUES (2), (3)",),
    ("INSERT INTO u VALUES (3)",),
    ("INSERT INTO log SELECT n FROM t WHERE n > 10",),
    ("UPDATE t SET n = 8 WHERE id = 9", "INSERT INTO log VALUES (1)"),
    ("INSERT INTO log VALUES (1)", "DELETE FROM log WHERE n = 30"),
)
OTHERS = (
    "UPDATE t SET n = 11 WHERE id = 2",
    "UPDATE t SET n = 10 WHERE id = 3",
    "DELETE FROM t WHERE id = 3",
    "INSERT INTO t VALUES (9, 30)",
    "INSERT INTO u VALUES (3)",
    "DELETE FROM u",
    "INSERT INTO log VALUES (30)",
    "CREATE TABLE other (n)",
)

Answers = list[Any]


@dataclass(slots=True)
class Counts:
    """The counts: pairs, those that were a conflict, and those of them that only a count shows."""

    pairs: int = 0
    conflicts: int = 0
    conflicts_only_in_counts: int = 0


def run(directory: Path, kept: Kept = IN_PLACE) -> Counts:
    """Commit each transaction after each of the others' writes, which came between."""
    counts = Counts()
    kept.put_image(directory, {})
    with closing(Machine(directory, kept=kept)) as machine, closing(machine.start()) as instance:
        for number, (transaction, other) in enumerate(product(TRANSACTIONS, OTHERS)):
            _run(instance, f"d{number}", transaction, other, counts)
    return counts


def _run(
    instance: Instance, database: str, transaction: Sequence[str], other: str, counts: Counts
) -> None:
    instance.ask(database=database, statements=[{"query": sql} for sql in (*SCHEMA, *ROWS)])
    begun = instance.pipeline(*(execute(sql) for sql in ("BEGIN", *transaction)), database=database)
    said = [_answer(one) for one in begun["results"][1:]]
    instance.ask(database=database, query=other)
    ended = instance.pipeline(execute("COMMIT"), baton=begun["baton"], database=database)

    where = f"{transaction}, then {other}"
    first, after = _on_sqlite(transaction), _on_sqlite(transaction, before=[other])
    assert said == first, f"{where}: {said}, and on plain SQLite {first}"
    error = ended["results"][0].get("error", {}).get("code")
    # One that only reads is as if it had ended before the other wrote.
    is_conflict = after != first and not transaction[-1].startswith("SELECT")
    assert error == ("SQLITE_BUSY" if is_conflict else None), f"{where}: {error}; {after}, {first}"
    counts.pairs += 1
    counts.conflicts += is_conflict
    counts.conflicts_only_in_counts += is_conflict and _rows(after) == _rows(first)


def _answer(result: dict[str, Any]) -> Any:
    if result["type"] == "error":
        return result["error"]["code"]
    said = result["response"]["result"]
    return plain(said), said["affected_row_count"], int(said["last_insert_rowid"] or 0)


def _on_sqlite(statements: Sequence[str], before: Sequence[str] = ()) -> Answers:
    """Rows, count of changes and last rowid of each, or the code of its error."""
    answers: Answers = []
    with closing(apsw.Connection(":memory:")) as connection:
        for sql in (*SCHEMA, *ROWS, *before):
            connection.execute(sql)
        connection.set_last_insert_rowid(0)
        for sql in statements:
            try:
                rows = [list(row) for row in connection.execute(sql)]
            except apsw.ConstraintError:
                answers.append("SQLITE_CONSTRAINT")
                continue
            changes = 0 if sql.startswith("SELECT") else connection.changes()
            answers.append((rows, changes, connection.last_insert_rowid()))
    return answers


def _rows(answers: Answers) -> list[Any]:
    return [answer[0] for answer in answers]
