"""The contract of an engine, held against each: files in place, and databases in memory.

Two engines on the same databases stand for two instances of a function.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol, cast
from uuid import uuid4

import pytest

from sqlatch.kernel.errors import BadEvent, Constraint, DatabaseBusy, StatementError, Timeout
from storage import copies
from storage.engine import NEWEST, Freshness, Grant, Position, Store, Table
from storage.engines import Engine
from storage.inplace.engine import InPlace
from storage.log.cloud import in_table
from storage.log.engine import InLog
from storage.log.objects import Objects
from storage.pins import Pins
from storage.translate import DatabaseReplaced, RecoveryNeeded, WriteRefused
from tests import grants
from tests.dynamodb_server import CREDENTIALS, create_log
from tests.journal import leave_in_mid_commit
from tests.storage import in_memory

OURS = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")
A_MINUTE_S = 60.0

fences = count(1)


class Kind(Protocol):
    """A kind of engine: instances that share databases, and a death in the middle of a commit."""

    def instance(self) -> Engine: ...

    def die_in_a_commit(self, name: str) -> None: ...


@dataclass
class Files:
    directory: Path

    def instance(self) -> Engine:
        return InPlace(self.directory)

    def die_in_a_commit(self, name: str) -> None:
        """Leave a file of which pages are written, and the journal that takes them back."""
        leave_in_mid_commit(self.directory / f"{name}.db", "UPDATE big SET n = n + 1")


class Memory:
    def __init__(self) -> None:
        self._shared: in_memory.Shared = {}

    def instance(self) -> Engine:
        return in_memory.InMemory(self._shared)

    def die_in_a_commit(self, name: str) -> None:
        self._shared[name] = replace(self._shared[name], is_torn=True)


@dataclass
class Logs:
    directory: Path

    def instance(self) -> Engine:
        return InLog(self.directory, self.directory.with_name("copies"))

    def die_in_a_commit(self, name: str) -> None:
        """Leave half a record behind the last one, as an append does whose process is killed."""
        newest = max((self.directory / name / "log").glob("*.seg"))
        with newest.open("ab") as segment:
            segment.write(b"SREC\0\0")


@dataclass
class Cloud:
    """Logs in DynamoDB and S3, on moto."""

    name: str
    copies: Path

    def instance(self) -> Engine:
        return in_table(self.name, self.name, "logs/", self.copies)

    def die_in_a_commit(self, name: str) -> None:
        """Leave the object of a large record that no item names."""
        Objects(self.name, "logs/").put(f"{name}/large/{2:016x}-{bytes(16).hex()}.ltx", b"LTX1")


@pytest.fixture
def cloud(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    url = request.getfixturevalue("moto_url")
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    name = f"log-{uuid4()}"
    create_log(url, name)
    return Cloud(name, tmp_path / "copies")


@pytest.fixture(params=[Files, Logs, Memory, Cloud])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    if request.param is Memory:
        return Memory()
    if request.param is Cloud:
        return cast("Kind", request.getfixturevalue("cloud"))
    (tmp_path / "databases").mkdir()
    kind: Kind = request.param(tmp_path / "databases")
    return kind


@pytest.fixture
def store(kind: Kind) -> Iterator[Store]:
    with opened(kind) as store:
        yield store


@pytest.fixture
def other(kind: Kind) -> Iterator[Store]:
    """The same database at another instance."""
    with opened(kind) as store:
        yield store


@contextmanager
def opened(kind: Kind, name: str = "main") -> Iterator[Store]:
    engine = kind.instance()  # a log's keeps the slot of the copy as long as it lives
    with closing(engine.open(name, table=OURS, now=time.time)) as store:
        yield store


def in_a_minute() -> float:
    return time.time() + A_MINUTE_S


def granted(check: Callable[[], None] = grants.nothing) -> Grant:
    return grants.granted(check, fence=next(fences), deadline_s=in_a_minute())


def write(store: Store, *texts: str, grant: Grant | None = None) -> Position:
    with store.write(grant or granted(), creates=True) as transaction:
        for sql in texts:
            transaction.connection.run(sql)
        return transaction.commit()


def read(store: Store, sql: str, freshness: Freshness = NEWEST) -> list[Any]:
    return store.snapshot(in_a_minute(), freshness).run(sql)


TABLE = "CREATE TABLE t (n UNIQUE)"
COUNT = "SELECT count(*) FROM t"


def test_what_one_instance_commits_another_reads(store: Store, other: Store) -> None:
    write(store, TABLE, "INSERT INTO t VALUES (1)")
    assert read(other, "SELECT n FROM t") == [(1,)]

    write(other, "INSERT INTO t VALUES (2)")
    write(store, "INSERT INTO t VALUES (3)")

    assert read(other, "SELECT n FROM t") == read(store, "SELECT n FROM t") == [(1,), (2,), (3,)]


def test_a_database_is_created_by_a_write_that_may_create_it(store: Store, other: Store) -> None:
    assert not store.exists()
    with pytest.raises(DatabaseReplaced), store.write(granted()):
        pass
    assert not other.exists(at_once=True)

    write(store, TABLE)

    assert store.exists()
    assert other.exists(at_once=True)


def test_a_database_that_does_not_exist_is_neither_read_nor_recovered(store: Store) -> None:
    with pytest.raises(DatabaseReplaced):
        store.snapshot(in_a_minute())
    assert store.recover(granted()) is False
    with pytest.raises(DatabaseReplaced):
        store.vacuum("VACUUM", granted())


def test_each_database_gets_the_table_with_its_first_write(store: Store, other: Store) -> None:
    write(store, TABLE)

    assert read(other, "SELECT * FROM ours") == []


def test_a_database_that_was_brought_in_gets_the_table_with_a_write(
    kind: Kind, store: Store, tmp_path: Path
) -> None:
    kind.instance().add("main", plain(tmp_path))
    with suppress(RecoveryNeeded):
        read(store, COUNT)

    store.recover(granted())

    assert read(store, COUNT) == [(3,)]
    write(store, "INSERT INTO ours VALUES (1)")


def test_a_transaction_is_all_or_nothing(store: Store, other: Store) -> None:
    write(store, TABLE)

    with pytest.raises(Constraint):
        write(store, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1)")
    assert read(store, COUNT) == read(other, COUNT) == [(0,)]

    write(store, "INSERT INTO t VALUES (1)")
    assert read(other, COUNT) == [(1,)]


def test_what_is_not_committed_is_rolled_back(store: Store, other: Store) -> None:
    write(store, TABLE)

    with store.write(granted()) as transaction:
        transaction.connection.run("INSERT INTO t VALUES (1)")

    assert read(store, COUNT) == read(other, COUNT) == [(0,)]


def test_a_transaction_sees_what_it_wrote_and_nobody_else_does(store: Store, other: Store) -> None:
    write(store, TABLE)

    with store.write(granted()) as transaction:
        transaction.connection.run("INSERT INTO t VALUES (1)")

        assert transaction.connection.run(COUNT) == [(1,)]
        assert read(other, COUNT) == read(store, COUNT) == [(0,)]


def test_a_snapshot_stays_as_it_is_while_another_instance_commits(
    store: Store, other: Store
) -> None:
    write(store, TABLE)
    reader = other.snapshot(in_a_minute())
    soon = replace(granted(), deadline_s=time.time() + 0.2)

    with reader.transaction("BEGIN"):
        before = reader.run(COUNT)
        has_committed = commits(store, "INSERT INTO t VALUES (1)", soon)
        assert reader.run(COUNT) == before == [(0,)]

    assert read(other, COUNT) == [(int(has_committed),)]


def commits(store: Store, sql: str, grant: Grant) -> bool:
    """An engine may have a commit wait for readers until its deadline, and refuse it then."""
    try:
        write(store, sql, grant=grant)
    except DatabaseBusy:
        return False
    return True


def test_a_snapshot_cannot_be_written_to(store: Store, other: Store) -> None:
    write(store, TABLE)

    with pytest.raises(WriteRefused):
        read(store, "INSERT INTO t VALUES (1)")
    assert read(other, COUNT) == [(0,)]


class Ended(Exception):
    """The right to write has ended."""


def test_the_check_is_the_last_step_before_a_commit_and_its_refusal_leaves_nothing(
    store: Store, other: Store
) -> None:
    write(store, TABLE)
    seen: list[Any] = []

    def refuse() -> None:
        seen.append(read(other, COUNT))
        raise Ended

    with pytest.raises(Ended):
        write(store, "INSERT INTO t VALUES (1)", grant=granted(refuse))

    assert seen == [[(0,)]]
    assert read(other, COUNT) == [(0,)]
    with pytest.raises(Ended):
        store.vacuum("VACUUM", granted(ended))
    write(store, "INSERT INTO t VALUES (2)")
    assert read(other, "SELECT n FROM t") == [(2,)]


def test_a_refused_check_creates_no_row_of_a_first_write(store: Store, other: Store) -> None:
    with pytest.raises(Ended):
        write(store, TABLE, grant=granted(ended))

    write(other, TABLE)
    assert read(store, COUNT) == [(0,)]


def test_a_deferred_constraint_refuses_the_commit(store: Store, other: Store) -> None:
    child = "CREATE TABLE c (n REFERENCES t (n) DEFERRABLE INITIALLY DEFERRED)"
    write(store, TABLE, child)

    with pytest.raises(Constraint):
        write(store, "INSERT INTO c VALUES (1)")
    assert read(other, "SELECT * FROM c") == []

    with store.write(granted(), foreign_keys=False) as transaction:
        transaction.connection.run("INSERT INTO c VALUES (1)")
        transaction.commit()
    assert read(other, "SELECT * FROM c") == [(1,)]
    with pytest.raises(Constraint):
        write(store, "INSERT INTO c VALUES (2)")


def test_an_error_of_a_statement_is_one_of_the_contract(store: Store) -> None:
    write(store, TABLE)

    with pytest.raises(StatementError):
        read(store, "SELECT nothing")
    assert read(store, COUNT) == [(0,)]


def test_a_position_grows_with_each_commit_of_every_instance(store: Store, other: Store) -> None:
    positions = [write(store, TABLE)]
    for number in range(3):
        positions.append(write(store, f"INSERT INTO t VALUES ({2 * number})"))
        positions.append(write(other, f"INSERT INTO t VALUES ({2 * number + 1})"))
    positions.append(store.vacuum("VACUUM", granted()))
    positions.append(write(other, "DELETE FROM t"))

    assert positions == sorted(set(positions))


def test_a_read_sees_the_position_that_it_asks_for(store: Store, other: Store) -> None:
    write(store, TABLE)
    assert read(other, COUNT, Freshness(max_age_s=3600)) == [(0,)]
    position = write(store, "INSERT INTO t VALUES (1)")

    assert read(other, COUNT, Freshness(position, max_age_s=3600)) == [(1,)]
    assert read(other, COUNT, Freshness(position)) == [(1,)]


def test_a_read_that_may_be_older_sees_a_state_as_it_was(store: Store, other: Store) -> None:
    write(store, TABLE)
    read(other, COUNT)
    write(store, "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)")

    assert read(other, COUNT, Freshness(max_age_s=3600)) in ([(0,)], [(2,)])
    assert read(other, COUNT) == [(2,)]
    assert read(other, COUNT, Freshness(max_age_s=3600)) == [(2,)]


def state(store: Store) -> str:
    return names_of_state(store)[0]


def names_of_state(store: Store) -> tuple[str, str]:
    with store.snapshot(in_a_minute()).transaction("BEGIN"):
        return store.state(), store.version().text


def test_every_commit_makes_a_state_that_all_instances_name_alike(
    kind: Kind, store: Store, other: Store, tmp_path: Path
) -> None:
    write(store, TABLE)
    states = [names_of_state(store)]
    for number in range(3):
        write(other if number % 2 else store, f"INSERT INTO t VALUES ({number})")
        states.append(names_of_state(store))
    store.vacuum("VACUUM", granted())
    states.append(names_of_state(store))
    store.replace(plain(tmp_path), granted())
    store.recover(granted())
    states.append(names_of_state(store))

    with opened(kind) as third:
        assert names_of_state(third) == names_of_state(other) == states[-1] == names_of_state(store)
    for names in zip(*states, strict=True):
        assert len(set(names)) == len(states), names


BIG = (
    "CREATE TABLE big (n, filling)",
    "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 1000)"
    " INSERT INTO big SELECT 0, hex(zeroblob(200)) FROM i",
)
SUM = "SELECT sum(n), count(*) FROM big"


def test_what_a_writer_left_that_was_killed_in_its_commit_is_not_read(
    kind: Kind, store: Store, other: Store
) -> None:
    """Where others see it, it has to be undone before the database is read."""
    write(store, *BIG)
    store.close()
    kind.die_in_a_commit("main")

    try:
        assert read(other, SUM) == [(0, 1000)]
    except RecoveryNeeded:
        is_seen = True
    else:
        is_seen = False

    assert other.recover(granted()) is is_seen
    assert read(other, SUM) == read(store, SUM) == [(0, 1000)]
    assert other.recover(granted()) is False


def test_who_takes_over_and_recovers_undoes_what_a_killed_writer_left(
    kind: Kind, store: Store, other: Store
) -> None:
    write(store, *BIG)
    read(other, SUM)
    write(other, "DELETE FROM ours")
    store.close()
    kind.die_in_a_commit("main")

    grant = granted()
    other.recover(grant)
    write(other, "INSERT INTO big VALUES (1, '')", grant=grant)

    assert read(other, SUM) == read(store, SUM) == [(1, 1001)]


def test_a_vacuum_changes_no_row(store: Store, other: Store) -> None:
    write(store, *BIG)
    write(store, "DELETE FROM big WHERE rowid > 10")
    ((before,),) = read(other, "SELECT page_count FROM pragma_page_count")

    store.vacuum("VACUUM", granted())

    assert read(other, SUM) == [(0, 10)]
    ((after,),) = read(other, "SELECT page_count FROM pragma_page_count")
    assert after < before


def test_the_databases_have_names_and_sizes(kind: Kind) -> None:
    assert kind.instance().names() == []

    for name in ("b", "a"):
        with opened(kind, name) as store:
            write(store, *BIG)

    assert kind.instance().names() == ["a", "b"]
    assert list(kind.instance().sizes_bytes()) == ["a", "b"]
    assert min(kind.instance().sizes_bytes().values()) > 1_000


def test_two_databases_do_not_meet(kind: Kind, store: Store) -> None:
    with opened(kind, "second") as second:
        write(store, TABLE)
        write(second, "CREATE TABLE u (n)")

        with pytest.raises(StatementError):
            read(second, COUNT)


def test_a_copy_is_one_state_of_the_database(store: Store, tmp_path: Path) -> None:
    write(store, *BIG)
    copy = tmp_path / "copy.db"

    store.copy_out(copy, in_a_minute())

    assert copies.check(copy).size_bytes > 200_000
    with closing(sqlite3.connect(copy)) as plain_sqlite:
        assert plain_sqlite.execute(SUM).fetchone() == (0, 1000)


def plain(directory: Path) -> Path:
    """A file of SQLite's own."""
    path = directory / "plain.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (n UNIQUE)")
        connection.execute("INSERT INTO t VALUES (7), (8), (9)")
    return path


def test_a_database_is_added_once(kind: Kind, store: Store, tmp_path: Path) -> None:
    kind.instance().add("main", plain(tmp_path))
    assert store.exists()

    with pytest.raises(BadEvent):
        kind.instance().add("main", tmp_path / "plain.db")


def test_the_content_of_a_database_is_replaced(store: Store, other: Store, tmp_path: Path) -> None:
    first = write(store, TABLE, "INSERT INTO t VALUES (1)")
    assert read(other, COUNT) == [(1,)]

    with pytest.raises(Ended):
        store.replace(plain(tmp_path), granted(ended))
    assert read(other, COUNT) == [(1,)]
    assert store.replace(tmp_path / "plain.db", granted()) > first

    store.recover(granted())
    assert read(store, "SELECT n FROM t") == read(other, "SELECT n FROM t") == [(7,), (8,), (9,)]


def ended() -> None:
    raise Ended


def test_pinned_connections_see_the_same_database(store: Store, other: Store) -> None:
    write(store, TABLE)
    with closing(Pins()) as pins, closing(store.pinned(pins)) as pinned:
        pins.pin(0, b"seed")

        write(pinned, "INSERT INTO t VALUES (date('now'))")

        assert read(other, "SELECT n FROM t") == [("1970-01-01",)]
        assert read(pinned, "SELECT datetime('now')") == [("1970-01-01 00:00:00",)]


def test_memory_is_given_back_and_the_store_goes_on(store: Store) -> None:
    write(store, *BIG)
    read(store, SUM)

    store.release_memory()

    assert read(store, SUM) == [(0, 1000)]
    write(store, "DELETE FROM big")


def test_a_store_that_was_closed_opens_again(store: Store) -> None:
    write(store, TABLE)
    store.close()
    store.close()

    assert read(store, COUNT) == [(0,)]


def test_a_statement_ends_at_its_deadline(store: Store) -> None:
    write(store, TABLE)
    reader = store.snapshot(time.time() + 0.1)
    with pytest.raises(Timeout), reader.user() as cursor:
        cursor.execute(
            "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i)"
            " SELECT max(n) FROM i"
        ).fetchall()
    assert read(store, COUNT) == [(0,)]
