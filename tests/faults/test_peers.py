"""The faults of other tools of this kind, each as a test that passes here.

The tools: django-sqlite-efs, AWSServerlessDB, lambda-sqlite-efs; test_peers_locks has the locks.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from handler import local
from locking.leases import Leases
from sqlatch.kernel.errors import DatabaseNotFound, LeaseLost, StatementError
from sqlexec.database import Database
from tests.conftest import Ask
from tests.faults.crashes import Situation, crash_at, machine_in
from tests.faults.machine import Instance, LostAnswers, Machine
from tests.faults.scenarios import named, start_of
from tests.storage.sessions import sessions_of
from tests.writers import run_together

LONG_S = 60.0
"""Past the lease of any request here."""

RAISE = "UPDATE counter SET n = n + 1 RETURNING n"
ROWS_AFTER_A_CRASH = 63

READS = (
    "WITH c AS (SELECT n FROM counter) SELECT n FROM c",
    "VALUES (0)",
    "/* reads */ SELECT n FROM counter",
    "-- reads\nSELECT n FROM counter",
    "SELECT n FROM counter WHERE 'update' <> 'insert into delete'",
    "PRAGMA table_info(counter)",
    "EXPLAIN SELECT n FROM counter",
)
WRITES = (
    ("DELETE FROM t WHERE id = 1", [[2, "b"]]),
    ("WITH one AS (SELECT 1 AS id) DELETE FROM t WHERE id IN one", [[2, "b"]]),
    ("REPLACE INTO t VALUES (1, 'z')", [[1, "z"], [2, "b"]]),
    ("ALTER TABLE t ADD COLUMN c DEFAULT 7", [[1, "a", 7], [2, "b", 7]]),
    ("/* SELECT */ UPDATE t SET v = 'y'", [[1, "y"], [2, "y"]]),
    (
        "WITH x(n) AS (VALUES (3)) INSERT INTO t SELECT n, 'c' FROM x",
        [[1, "a"], [2, "b"], [3, "c"]],
    ),
)


@pytest.fixture
def machine(memory: Path) -> Iterator[Machine]:
    """With a counter at 0 and a table `t`."""
    with machine_in(Situation({}, []), memory) as machine:
        with closing(machine.start()) as instance:
            instance.ask(query="CREATE TABLE counter AS SELECT 0 AS n")
            instance.ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
            instance.ask(query="INSERT INTO t VALUES (1, 'a'), (2, 'b')")
        yield machine


@pytest.fixture
def unlocked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections without SQLite's file locks: the lease is all there is."""
    opened = apsw.Connection
    monkeypatch.setattr(
        apsw, "Connection", lambda path, **options: opened(path, **{**options, "vfs": "unix-none"})
    )


def meanwhile(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], None]) -> None:
    """Have something happen once, at the end of the next transaction, before its last check."""
    apply = Database._apply

    def interrupted(self: Database, *arguments: Any) -> Any:
        monkeypatch.setattr(Database, "_apply", apply)
        try:
            return apply(self, *arguments)
        finally:
            happens()

    monkeypatch.setattr(Database, "_apply", interrupted)


def count(instance: Instance) -> Any:
    return instance.ask(query="SELECT n FROM counter")["rows"][0][0]


# ------------------------------------------------------------------------- django-sqlite-efs


def test_an_insert_with_returning_is_committed_before_its_lease_is_given_back(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    release = Leases._release

    def look_and_release(self: Leases, database: str, lock_id: str, **until: float) -> bool:
        with closing(sqlite3.connect(machine.directory / "main.db")) as plain:
            seen.append(plain.execute("SELECT count(*) FROM t").fetchone())
        return release(self, database, lock_id, **until)

    monkeypatch.setattr(Leases, "_release", look_and_release)
    with closing(machine.start()) as instance:
        reply = instance.ask(query="INSERT INTO t (v) VALUES ('c') RETURNING id")

    assert (reply["rows"], seen) == ([[3]], [(3,)])


@pytest.mark.slow
def test_with_file_locks_off_no_acknowledged_insert_with_returning_is_lost(
    ask: Ask, environment: dict[str, str]
) -> None:
    ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, who TEXT)")
    insert = "INSERT INTO t (who) VALUES (?) RETURNING who"

    acknowledged = run_together(8, 40, insert, environment | {"TEST_WITHOUT": "file locks"})

    assert sum(map(len, acknowledged)) == 320
    assert ask(query="SELECT count(*) FROM t")["rows"] == [[320]]


def test_an_error_in_a_transaction_whose_lease_ran_out_keeps_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: machine.time.pass_by(LONG_S))
    with closing(machine.start()) as instance, pytest.raises(StatementError):
        instance.ask(statements=[{"query": RAISE}, {"query": "no SQL"}])

    with closing(machine.start()) as other:
        assert count(other) == 0


def test_a_commit_after_the_lease_ran_out_is_refused_and_a_retry_applies_it_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    meanwhile(monkeypatch, lambda: machine.time.pass_by(LONG_S))
    with closing(machine.start()) as instance:
        with pytest.raises(LeaseLost):
            instance.ask(query=RAISE)
        assert instance.ask(query=RAISE)["rows"] == [[1]]

    with closing(machine.start()) as other:
        assert count(other) == 1


def test_a_holder_stalled_past_its_lease_overwrites_nobody_with_what_it_read_before(
    unlocked: None, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(machine.start()) as stalled, closing(machine.start()) as other:
        calls = LostAnswers()

        def others_write() -> None:
            machine.time.pass_by(LONG_S)
            assert [other.ask(query=RAISE)["rows"] for _write in range(3)] == [[[1]], [[2]], [[3]]]
            calls.seen = stalled.service.leases._table._lost.seen  # type: ignore[attr-defined]

        meanwhile(monkeypatch, others_write)
        with pytest.raises(LeaseLost):
            stalled.ask(query=RAISE)
        given_back = stalled.service.leases._table._lost.seen - calls.seen  # type: ignore[attr-defined]

        assert given_back == 1, "it took a lease in mid transaction"
        assert count(stalled) == count(other) == 3


def test_a_read_behind_a_slow_writer_neither_waits_nor_asks_for_the_lease(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = LostAnswers()
    with closing(machine.start()) as writer, closing(machine.start(lost=calls)) as reader:
        before_s = machine.time.now_s
        seen: list[int] = []
        meanwhile(monkeypatch, lambda: seen.append(count(reader)))
        writer.ask(query=RAISE)

        assert (seen, calls.seen, machine.time.now_s - before_s) == ([0], 0, 0)
        assert count(reader) == 1


def test_a_writer_killed_before_its_commit_blocks_no_reader(memory: Path) -> None:
    start = start_of(named("batch"), memory)
    for point in range(1, 1_000):
        _disk, wreck = crash_at(point, start, memory, named("batch").act)
        if wreck.leases:
            break

    calls = LostAnswers()
    with machine_in(wreck, memory) as machine, closing(machine.start(lost=calls)) as reader:
        reader.ask(query="SELECT count(*) FROM account")
        assert len(machine.leases) == 1
        assert (calls.seen, machine.time.now_s) == (0, wreck.now_s)


@pytest.mark.parametrize("sql", READS)
def test_what_only_reads_takes_no_lease(sql: str, machine: Machine) -> None:
    calls = LostAnswers()
    with closing(machine.start(lost=calls)) as instance:
        instance.ask(query=sql)

    assert calls.seen == 0


def test_several_statements_that_write_take_one_lease(machine: Machine) -> None:
    calls = LostAnswers()
    with closing(machine.start(lost=calls)) as instance:
        instance.ask(statements=[{"query": "SELECT 1"}, {"query": RAISE}, {"query": RAISE}])

    assert calls.seen == 2


def test_the_page_cache_has_megabytes_and_no_file_is_mapped_into_memory(machine: Machine) -> None:
    with closing(machine.start()) as instance:
        instance.ask(query=RAISE)
        count(instance)
        store = instance.service.databases.get("main")._store
        for session in sessions_of(store):
            assert session is not None
            ((cache_kibibytes,),) = session.run("PRAGMA cache_size")
            assert -64 * 1024 <= int(str(cache_kibibytes)) < 0
            assert session.run("PRAGMA mmap_size") == [(0,)]


# --------------------------------------------------------------------------- AWSServerlessDB


@pytest.mark.parametrize(("sql", "rows"), WRITES)
def test_whatever_writes_is_kept(sql: str, rows: list[Any], machine: Machine) -> None:
    with closing(machine.start()) as instance:
        instance.ask(query=sql)

    with closing(machine.start()) as other:
        assert other.ask(query="SELECT * FROM t")["rows"] == rows


def test_a_table_that_was_dropped_is_gone(machine: Machine) -> None:
    with closing(machine.start()) as instance:
        instance.ask(query="DROP TABLE t")

    with closing(machine.start()) as other, pytest.raises(StatementError, match="no such table"):
        other.ask(query="SELECT * FROM t")


@pytest.mark.parametrize(
    ("sql", "status"),
    [("SELEC 1", 400), ("INSERT INTO t VALUES (1)", 409), ("ATTACH 'x' AS x", 403)],
)
def test_an_error_is_never_answered_with_200(sql: str, status: int, ask: Ask) -> None:
    ask(query="CREATE TABLE t (n UNIQUE)")
    ask(query="INSERT INTO t VALUES (1)")
    event = json.loads(Path("events/samples/10-http-2.0.json").read_text())

    answer = local.invoke({**event, "body": json.dumps({"query": sql}), "isBase64Encoded": False})

    assert answer["statusCode"] == status
    assert "error" in json.loads(answer["body"])


def test_the_journal_of_a_crash_takes_nothing_back_that_was_acknowledged_after_it(
    memory: Path,
) -> None:
    batch = named("batch")
    start = start_of(batch, memory)
    wrecks = [crash_at(point, start, memory, batch.act)[1] for point in range(1, 200)]
    hot = [
        wreck for wreck in wrecks if wreck.leases and wreck.image["main.db-journal"][:1] == b"\xd9"
    ]
    assert hot
    with machine_in(hot[-1], memory) as machine:
        machine.time.pass_by(LONG_S)
        with closing(machine.start()) as instance:
            instance.ask(query="CREATE TABLE later (n)")
            for number in range(ROWS_AFTER_A_CRASH):
                instance.ask(query="INSERT INTO later VALUES (?)", parameters=[number])

        with closing(machine.start()) as other:
            rows = other.ask(query="SELECT count(*) FROM later")["rows"]
            assert rows == [[ROWS_AFTER_A_CRASH]]
            assert other.ask(query="PRAGMA integrity_check")["rows"] == [["ok"]]


# -------------------------------------------------------------------------- lambda-sqlite-efs


@pytest.mark.slow
def test_a_counter_raised_by_eight_processes_ends_at_what_was_acknowledged(
    ask: Ask, environment: dict[str, str]
) -> None:
    ask(query="CREATE TABLE counter AS SELECT 0 AS n")

    acknowledged = run_together(8, 25, RAISE, environment)

    assert sum(map(len, acknowledged)) == 200
    assert ask(query="SELECT n FROM counter")["rows"] == [[200]]


def test_a_read_makes_no_file(machine: Machine) -> None:
    with closing(machine.start()) as instance, pytest.raises(DatabaseNotFound):
        instance.ask(query="SELECT * FROM t", database="other")

    assert not [path for path in machine.directory.iterdir() if path.name.startswith("other")]


def test_a_row_that_is_not_there_is_no_row_and_no_error(machine: Machine) -> None:
    with closing(machine.start()) as instance:
        assert instance.ask(query="SELECT v FROM t WHERE id = 99")["rows"] == []


def test_a_load_of_many_rows_ends(machine: Machine) -> None:
    with closing(machine.start()) as instance:
        loaded = instance.ask(
            query="INSERT INTO t (v) VALUES (?)", parameter_sets=[[str(n)] for n in range(10_000)]
        )

    assert loaded["rows_affected"] == 10_000
