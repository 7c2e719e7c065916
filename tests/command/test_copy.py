"""`sqlatch copy` between a service of files and one of logs: all comes over, whatever happens."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sqlatch.client import Client, connect
from sqlatch.command import copying, rows
from sqlatch.command.writing import MARK, Fenced, Requests, unfinished
from sqlatch.errors import Constraint, StatementError
from sqlatch.transports.http import HttpTransport
from tests.command.conftest import ROOT, Sqlatch, serving
from tests.command.databases import KINDS, generated, whole
from tests.sqlatch.fault_proxy import holding

pytestmark = pytest.mark.usefixtures("token")

FLIGHTS = (
    "CREATE TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE flights (id INTEGER PRIMARY KEY, carrier REFERENCES airlines, next REFERENCES"
    " flights, minutes REAL); CREATE INDEX by_carrier ON flights (carrier);"
    "CREATE TABLE log (flight); CREATE VIEW late AS SELECT * FROM flights WHERE minutes > 15;"
    "CREATE TRIGGER logged AFTER INSERT ON flights BEGIN INSERT INTO log VALUES (new.id); END;"
    "INSERT INTO airlines VALUES ('AA', 'American'), ('UA', 'United');"
    "INSERT INTO flights VALUES (1, 'AA', 3, 1.5), (2, 'UA', NULL, 20), (3, 'AA', 2, 9e999),"
    " (4, 'UA', 4, NULL), (5, 'AA', 1, 7);"
    "PRAGMA user_version = 3; PRAGMA application_id = 9;"
)
"""Rows that refer to later ones, an infinite real, and a trigger that must not see rows come in."""

REQUESTS = 6
"""With which a copy has made its tables, and is far from its end."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def of_files(files: Path, key: tuple[str, str]) -> Iterator[str]:
    with serving(files, SQLATCH_TOKEN_KEYS=key[1]) as url:
        yield url


@pytest.fixture(scope="module")
def of_logs(tmp_path_factory: pytest.TempPathFactory, key: tuple[str, str]) -> Iterator[str]:
    logs, copies = tmp_path_factory.mktemp("logs"), tmp_path_factory.mktemp("copies")
    with serving(
        None,
        SQLATCH_TOKEN_KEYS=key[1],
        SQLATCH_LOG=f"directory:{logs}",
        SQLATCH_COPIES=str(copies),
    ) as url:
        yield url


@pytest.fixture
def name(numbers: Iterator[int]) -> str:
    return f"c{next(numbers)}"


@pytest.fixture
def file(files: Path, name: str) -> Path:
    """A file in the service of files, with some flights."""
    path = files / f"{name}.db"
    made(path, FLIGHTS)
    return path


@pytest.fixture
def source(of_files: str, name: str) -> str:
    return f"{of_files}/{name}"


@pytest.fixture
def target(of_logs: str, name: str) -> str:
    return f"{of_logs}/{name}"


def made(file: Path, script: str) -> dict[str, Any]:
    with closing(apsw.Connection(str(file))) as connection:
        connection.execute(script)
        return whole(connection)


def in_file(file: Path) -> dict[str, Any]:
    with closing(apsw.Connection(str(file))) as connection:
        return whole(connection)


def opened(url: str) -> Client:
    return connect(url, token=os.environ["SQLATCH_TOKEN"])


def back(sqlatch: Sqlatch, file: Path, source: str, target: str) -> dict[str, Any]:
    """Copy the target back into a new file; return all that is in it."""
    ended = sqlatch("copy", "-u", target, f"{source}-back")
    assert ended.code == 0, ended.err
    return in_file(file.with_stem(f"{file.stem}-back"))


@pytest.mark.parametrize("page_rows", [2, rows.PAGE_ROWS_FIRST])
@pytest.mark.parametrize("kind", sorted(KINDS.keys() - {"utf-16"}))
def test_every_kind_of_object_is_there_and_back_as_it_was(
    *,
    sqlatch: Sqlatch,
    files: Path,
    name: str,
    source: str,
    target: str,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    page_rows: int,
) -> None:
    before = made(files / f"{name}.db", KINDS[kind])
    monkeypatch.setattr(rows, "PAGE_ROWS_FIRST", page_rows)

    ended = sqlatch("copy", "-u", source, target)

    assert (ended.code, ended.err) == (0, "")
    assert back(sqlatch, files / f"{name}.db", source, target) == before


@pytest.mark.parametrize("seed", range(6))
def test_generated_databases_are_there_and_back_as_they_were(
    *, sqlatch: Sqlatch, files: Path, name: str, source: str, target: str, seed: int
) -> None:
    before = made(files / f"{name}.db", generated(random.Random(seed)))

    assert sqlatch("copy", "-u", source, target).code == 0
    assert back(sqlatch, files / f"{name}.db", source, target) == before


def test_the_copy_says_what_it_has_compared(
    sqlatch: Sqlatch, file: Path, source: str, target: str
) -> None:
    ended = sqlatch("copy", "-u", source, target)

    assert ended.out.splitlines() == [
        "airlines: 2 rows",
        "flights: 5 rows",
        "log: 5 rows",
        "3 tables, 12 rows: schema and rows are the same in both",
    ]


def test_another_encoding_is_refused(
    sqlatch: Sqlatch, files: Path, name: str, source: str, target: str
) -> None:
    made(files / f"{name}.db", KINDS["utf-16"])

    ended = sqlatch("copy", "-u", source, target)

    assert ended.code == 3
    assert "the database is in UTF-16le" in ended.err


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and nothing is done behind it."""


def dying(monkeypatch: pytest.MonkeyPatch, *, at: int, sends: bool) -> Callable[[], int]:
    """Have the request to write with this number be the last, sent or not; how many there were."""
    invoke = HttpTransport.invoke
    count = 0

    def dies(
        transport: HttpTransport, event: Mapping[str, Any], *, timeout_s: float
    ) -> dict[str, Any]:
        nonlocal count
        writes = "read_only" not in event
        if writes and count == at and not sends:
            raise Killed
        reply = invoke(transport, event, timeout_s=timeout_s)
        count += writes
        if writes and count == at + 1 and sends:
            raise Killed
        return reply

    monkeypatch.setattr(HttpTransport, "invoke", dies)
    return lambda: count


@pytest.mark.parametrize("sends", [False, True])
def test_a_copy_that_dies_at_any_request_is_marked_and_goes_on(
    sqlatch: Sqlatch, file: Path, source: str, target: str, *, sends: bool
) -> None:
    before, at, has_ended = in_file(file), 0, False
    while not has_ended:
        of_run = f"{target}-{at}-{sends:d}"
        with pytest.MonkeyPatch.context() as patched:
            dying(patched, at=at, sends=sends)
            try:
                has_ended = sqlatch("copy", "-u", source, of_run).code == 0
            except Killed:
                with opened(of_run) as client:
                    had = client.query("SELECT name FROM sqlite_schema").rows if at else []
                    is_whole = ("logged",) in had and (MARK,) not in had
                    assert is_whole or not had or unfinished(client) == source

        ended = sqlatch("copy", "-u", source, of_run)
        assert (ended.code, ended.err) == (0, "")
        assert (
            back(
                sqlatch,
                file.with_stem(f"{file.stem}-{at}-{sends:d}"),
                f"{source}-{at}-{sends:d}",
                of_run,
            )
            == before
        )
        at += 1
    assert at > 8


def test_a_copy_that_is_killed_goes_on(
    sqlatch: Sqlatch, files: Path, name: str, source: str, target: str
) -> None:
    before = made(
        files / f"{name}.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, text); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL"
        " SELECT i + 1 FROM n WHERE i < 30000) INSERT INTO t SELECT i, hex(randomblob(50)) FROM n",
    )
    with holding(target, behind=REQUESTS) as (held, through), subprocess.Popen(
        [sys.executable, "-m", "sqlatch", "copy", "-u", source, through], cwd=ROOT
    ) as process:  # fmt: skip
        held.is_applied.wait()
        process.kill()

    with opened(target) as client:
        assert unfinished(client) == source
        assert client.query("SELECT 1 FROM sqlite_schema WHERE name = 't'").rows
    assert sqlatch("copy", "-u", source, target).code == 0
    assert back(sqlatch, files / f"{name}.db", source, target) == before


def test_a_copy_that_has_ended_may_be_called_again(
    sqlatch: Sqlatch, file: Path, source: str, target: str
) -> None:
    first, second = sqlatch("copy", "-u", source, target), sqlatch("copy", "-u", source, target)

    assert (first.code, second.code) == (0, 0)
    assert first.out == second.out


CHANGES = [
    "UPDATE flights SET minutes = 2 WHERE id = 2",
    "DELETE FROM flights WHERE id = 4",
    "INSERT INTO log VALUES (17)",
    "UPDATE airlines SET name = CAST('United' AS BLOB) WHERE carrier = 'UA'",
    "DROP INDEX by_carrier",
    "DROP TRIGGER logged",
    "CREATE TABLE more (n)",
    "PRAGMA user_version = 4",
    "PRAGMA application_id = 8",
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_target_that_is_another_database_is_refused_until_replaced(
    sqlatch: Sqlatch, file: Path, source: str, target: str, change: str
) -> None:
    before = in_file(file)
    assert sqlatch("copy", "-u", source, target).code == 0
    assert sqlatch("copy", "-u", source, "--check", target).code == 0
    assert sqlatch("query", "-u", target, change).code == 0

    checked = sqlatch("copy", "-u", source, "--check", target)
    again = sqlatch("copy", "-u", source, target)

    assert (checked.code, again.code) == (3, 3)
    assert "exists and is another database" in again.err
    assert "--replace" in again.err
    assert sqlatch("copy", "-u", source, "--replace", target).code == 0
    assert back(sqlatch, file, source, target) == before


def test_a_check_writes_nothing(sqlatch: Sqlatch, file: Path, source: str, target: str) -> None:
    assert sqlatch("copy", "-u", source, target).code == 0
    with opened(target) as client:
        client.execute("DELETE FROM log")
        before = client.query("SELECT 1").position

        assert sqlatch("copy", "-u", source, "--check", target).code == 3

        assert client.query("SELECT 1").position == before


def test_the_unfinished_copy_of_another_source_is_refused(
    sqlatch: Sqlatch, file: Path, source: str, target: str
) -> None:
    with opened(target) as client:
        Fenced(Requests(client)).begin("http://elsewhere/db", takes_over=False)

    ended = sqlatch("copy", "-u", source, target)

    assert ended.code == 3
    assert "the unfinished copy of http://elsewhere/db" in ended.err
    assert sqlatch("copy", "-u", source, "--replace", target).code == 0


def test_an_unfinished_copy_is_no_source(
    sqlatch: Sqlatch, file: Path, source: str, target: str
) -> None:
    with opened(source) as client:
        Fenced(Requests(client)).begin("http://elsewhere/db", takes_over=False)

    ended = sqlatch("copy", "-u", source, target)

    assert ended.code == 3
    assert "itself an unfinished copy" in ended.err


def test_what_a_stopped_run_still_writes_is_refused(target: str) -> None:
    with opened(target) as client:
        stopped, later = Fenced(Requests(client)), Fenced(Requests(client))
        stopped.begin("http://elsewhere/db", takes_over=False)
        stopped.run(["CREATE TABLE t (n)"])
        later.begin("http://elsewhere/db", takes_over=True)

        with pytest.raises(Constraint, match=MARK):
            stopped.load("INSERT INTO t VALUES (?)", [(1,)])
        later.finish([])
        with pytest.raises(StatementError, match=MARK):
            stopped.load("INSERT INTO t VALUES (?)", [(2,)])

        assert client.query("SELECT * FROM t").rows == []


def between_passes(monkeypatch: pytest.MonkeyPatch, change: Callable[[int], None]) -> None:
    """Call `change` with the number of each pass, behind it."""
    go_through, number = copying.go_through, 0

    def then_change(*arguments: Any) -> copying.Pass:
        nonlocal number
        done = go_through(*arguments)
        number += 1
        change(number)
        return done

    monkeypatch.setattr("sqlatch.command.copy.go_through", then_change)


def test_what_is_written_to_the_source_meanwhile_comes_along(
    sqlatch: Sqlatch, file: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(number: int) -> None:
        if number == 1:
            with opened(source) as client:
                client.execute("UPDATE flights SET minutes = 99 WHERE id = 1")
                client.execute("DELETE FROM flights WHERE id = 5")
                client.execute("INSERT INTO flights VALUES (6, 'UA', NULL, 2)")

    between_passes(monkeypatch, change)

    assert sqlatch("copy", "-u", source, target).code == 0
    assert back(sqlatch, file, source, target) == in_file(file)
    with opened(target) as client:
        assert client.query("SELECT id, minutes FROM flights WHERE id IN (1, 5, 6)").rows == [
            (1, 99.0),
            (6, 2.0),
        ]


def test_a_source_that_keeps_changing_is_said_and_the_target_stays_unfinished(
    sqlatch: Sqlatch, file: Path, source: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(number: int) -> None:
        with opened(source) as client:
            client.execute("UPDATE flights SET minutes = ? WHERE id = 1", [number])

    between_passes(monkeypatch, change)

    ended = sqlatch("copy", "-u", source, target)

    assert ended.code == 5
    assert "flights (1) in the last of 5 passes" in ended.err
    with opened(target) as client:
        assert unfinished(client) == source
