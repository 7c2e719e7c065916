"""A bulk load: the flights of 2013, 10,000 rows a request, against bare executemany."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, cast

import apsw

from benchmarks import bare, data, service
from benchmarks.sampling import Tables, rotated
from benchmarks.subjects import BARE, EFS, SQLATCH, installed
from benchmarks.workplace import Workplace, WrongAnswer
from examples.tables import INSERTS, SCHEMA, open_records

Rows = list[list[Any]]
Loader = Callable[[Path, list[Rows]], float]

CHUNK_ROWS = 10_000
FLIGHTS = "flights"
PARENTS = ("airlines", "airports")
MISSING = frozenset({"", "NA"})
CONVERTERS: dict[str, Callable[[str], Any]] = {"INTEGER": int, "REAL": float, "TEXT": str}
COLUMNS = "SELECT type FROM pragma_table_info(?)"
COUNT = "SELECT count(*) FROM flights"


def loads(work: Workplace) -> Tables:
    """Seconds to load them all, one transaction for each 10,000."""
    chunks = _chunks(_rows(FLIGHTS, work.counts.flights))
    loaders: dict[str, Loader] = {BARE: _bare, SQLATCH: _sqlatch}
    if installed(EFS):
        loaders[EFS] = _efs
    tables: Tables = {"flights": {name: [] for name in loaders}}
    for number in range(work.counts.flight_rounds):
        for name in rotated(list(loaders), number):
            directory = _prepared(work)
            tables["flights"][name].append(loaders[name](directory, chunks))
            _check(name, directory, sum(map(len, chunks)))
    return tables


def _bare(directory: Path, chunks: list[Rows]) -> float:
    connection = bare.connect(directory / data.FILE)
    started = perf_counter()
    for chunk in chunks:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(INSERTS[FLIGHTS], chunk)
        connection.execute("COMMIT")
    duration_s = perf_counter() - started
    connection.close()
    return duration_s


def _sqlatch(directory: Path, chunks: list[Rows]) -> float:
    subject = service.open_subject(directory)
    subject.send(query=INSERTS["airlines"], parameters=["UA", "there already"])
    started = perf_counter()
    for chunk in chunks:
        subject.send(query=INSERTS[FLIGHTS], parameter_sets=chunk)
    duration_s = perf_counter() - started
    subject.close()
    return duration_s


def _efs(directory: Path, chunks: list[Rows]) -> float:
    from benchmarks import django_orm

    subject = django_orm.open_efs(directory)
    started = perf_counter()
    for chunk in chunks:
        subject.executemany(INSERTS[FLIGHTS], chunk)
    duration_s = perf_counter() - started
    subject.close()
    return duration_s


def _prepared(work: Workplace) -> Path:
    """A directory with a new database: the tables, and the rows that flights refer to."""
    directory = work.place()
    directory.mkdir()
    connection = bare.connect(directory / data.FILE)
    connection.execute("BEGIN")
    for statement in SCHEMA:
        connection.execute(statement)
    for table in PARENTS:
        connection.executemany(INSERTS[table], _rows(table, None))
    connection.execute("COMMIT")
    connection.close()
    return directory


def _check(name: str, directory: Path, wanted: int) -> None:
    connection = bare.connect(directory / data.FILE)
    counted = connection.execute(COUNT).fetchall()[0][0]
    connection.close()
    if counted != wanted:
        raise WrongAnswer(f"{name} loaded {counted} flights of {wanted}")


def _rows(table: str, rows_max: int | None) -> Rows:
    """The lines of a table's file, each cell as the column's type."""
    memory = apsw.Connection(":memory:")
    for statement in SCHEMA:
        memory.execute(statement)
    converters = [CONVERTERS[cast("str", name)] for (name,) in memory.execute(COLUMNS, (table,))]
    memory.close()
    with open_records(table) as records:
        next(records)
        return [
            [
                None if cell in MISSING else convert(cell)
                for convert, cell in zip(converters, record, strict=True)
            ]
            for record in islice(records, rows_max)
        ]


def _chunks(rows: Rows) -> list[Rows]:
    return [rows[first : first + CHUNK_ROWS] for first in range(0, len(rows), CHUNK_ROWS)]
