"""One database for each field beside one database for all: loaded, read by id, found by a value.

python -m examples.graphql.compare [BOOKS]      in a temporary directory, on this machine
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from multiprocessing import get_context
from operator import itemgetter
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from examples.graphql.loader import ROWS_A_MESSAGE, Message, messages
from examples.graphql.nodes import FIELDS, NODES, VALUES, WITH_VALUE
from sqlatch import uid

BOOKS = 100_000
READS = 300
TOGETHER = "together"
CREATE = f"""
CREATE TABLE book (id INTEGER PRIMARY KEY, {", ".join(" ".join(each) for each in FIELDS.items())})
STRICT
"""
CREATE_INDEX = "CREATE INDEX book_author ON book (author)"
INSERT = "INSERT INTO book VALUES (?, ?, ?, ?, ?, ?)"


def books(number: int) -> Iterator[dict[str, Any]]:
    for n in range(number):
        yield {
            "title": f"On the number {n}, and its neighbours",
            "author": f"Author {n % 997}",
            "year": 1900 + n % 120,
            "pages": 80 + n % 700,
            "rating": n % 50 / 10,
        }


def apply(bodies: Sequence[str]) -> None:
    """Call the function with these messages of one group, ten at a time, as SQS does."""
    from handler.local import invoke

    records = [
        {
            "messageId": str(n),
            "body": body,
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:writes",
            "attributes": {},
        }
        for n, body in enumerate(bodies)
    ]
    for start in range(0, len(records), 10):
        answer = invoke({"Records": records[start : start + 10]})
        assert answer == {"batchItemFailures": []}, answer


def load_apart(pool: ProcessPoolExecutor, found: list[Message]) -> None:
    by_database = sorted(found, key=itemgetter(0))
    groups = [
        [json.dumps({"database": database, **request}) for _database, request in group]
        for database, group in groupby(by_database, key=itemgetter(0))
    ]
    list(pool.map(apply, groups))


def load_together(pool: ProcessPoolExecutor, ids: Sequence[int], number: int) -> None:
    rows = [[node_id, *book.values()] for node_id, book in zip(ids, books(number), strict=True)]
    requests = [{"query": CREATE}, {"query": CREATE_INDEX}] + [
        {"query": INSERT, "parameter_sets": rows[at : at + ROWS_A_MESSAGE]}
        for at in range(0, len(rows), ROWS_A_MESSAGE)
    ]
    pool.submit(apply, [json.dumps({"database": TOGETHER, **one}) for one in requests]).result()


def took_s(work: Callable[[], object]) -> float:
    begun_s = time.perf_counter()
    work()
    return time.perf_counter() - begun_s


def ask(database: str, query: str, *parameters: Any) -> list[list[Any]]:
    from handler.local import invoke

    rows: list[list[Any]] = invoke(
        {"database": database, "query": query, "parameters": list(parameters), "read_only": True}
    )["rows"]
    return rows


@dataclass(frozen=True, slots=True)
class Timed:
    """The times of one thing: with a database a field, and with one database."""

    what: str
    apart: float
    together: float


def compare(directory: Path, number: int) -> list[Timed]:
    """Load the books both ways, then ask for some of them both ways."""
    os.environ |= {"SQLATCH_DATABASES": str(directory), "LOG_LEVEL": "WARNING"}
    uids = uid.in_file(directory / "uids")
    found = list(messages(books(number), uids.next))
    ids = [
        node_id
        for database, request in found
        if database == NODES
        for (node_id,) in request.get("parameter_sets", [])
    ]
    workers = len(FIELDS) + 1
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        list(pool.map(apply, [[]] * workers))  # what is loaded is not timed
        loaded = Timed(
            f"load {number:,} books (s)",
            took_s(lambda: load_apart(pool, found)),
            took_s(lambda: load_together(pool, ids, number)),
        )
    return [loaded, *_asked(ids[:: max(1, len(ids) // READS)][:READS])]


def _asked(some: Sequence[int]) -> Iterator[Timed]:
    everything = f"SELECT {', '.join(FIELDS)} FROM book WHERE id = ?"  # noqa: S608 - names of ours
    yield Timed(
        "read a book, all fields (ms)",
        _each_ms(some, lambda one: [ask(field, VALUES, f"[{one}]") for field in FIELDS]),
        _each_ms(some, lambda one: ask(TOGETHER, everything, one)),
    )
    yield Timed(
        "read one field of a book (ms)",
        _each_ms(some, lambda one: ask("year", VALUES, f"[{one}]")),
        _each_ms(some, lambda one: ask(TOGETHER, "SELECT year FROM book WHERE id = ?", one)),
    )
    with_author = "SELECT id FROM book WHERE author = ? ORDER BY id LIMIT ?"
    yield Timed(
        "find by author (ms)",
        _each_ms([7] * 10, lambda one: ask("author", WITH_VALUE, f"Author {one}", 1000)),
        _each_ms([7] * 10, lambda one: ask(TOGETHER, with_author, f"Author {one}", 1000)),
    )


def _each_ms(ids: Sequence[int], read: Callable[[int], object]) -> float:
    return took_s(lambda: [read(one) for one in ids]) / len(ids) * 1000


def main(arguments: Sequence[str]) -> None:
    number = int(arguments[0]) if arguments else BOOKS
    table = Table("", "a database a field", "one database", box=None)
    with tempfile.TemporaryDirectory() as directory:
        for timed in compare(Path(directory), number):
            table.add_row(timed.what, f"{timed.apart:.3g}", f"{timed.together:.3g}")
    Console().print(table)


if __name__ == "__main__":
    main(sys.argv[1:])
