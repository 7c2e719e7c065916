"""When the lease is taken, and when it is given back: neither sooner nor later nor for nothing."""

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections, models, transaction
from django.test.utils import CaptureQueriesContext

from sqlatch.django.base import DatabaseWrapper
from sqlatch.django.handle import connection_of
from tests.django.bank.models import Account, Entry
from tests.django.conftest import Connect, Counter

pytestmark = pytest.mark.django

READS = [
    "SELECT count(*) FROM bank_account",
    "WITH a AS (SELECT owner FROM bank_account) SELECT * FROM a",
    "VALUES (1), (2)",
    "/* INSERT */ SELECT 'UPDATE'",
    "-- DELETE\nSELECT 1",
    "PRAGMA table_info(bank_account)",
    "PRAGMA foreign_keys = ON",
    "EXPLAIN INSERT INTO bank_account (owner, balance) VALUES ('a', 1)",
    "BEGIN",
]

WRITES = [
    "INSERT INTO bank_account (owner, balance) VALUES ('b', 1)",
    "/* SELECT */ INSERT INTO bank_account (owner, balance) VALUES ('b', 1) RETURNING id",
    "WITH a AS (SELECT 'b') INSERT INTO bank_account (owner, balance) SELECT *, 1 FROM a",
    "UPDATE bank_account SET balance = 2 RETURNING id",
    "DELETE FROM bank_account WHERE owner = 'nobody'",
    "REPLACE INTO bank_account (owner, balance) VALUES ('b', 1)",
    "CREATE TABLE other (a)",
    "CREATE INDEX more ON bank_account (balance)",
    "ALTER TABLE bank_entry ADD COLUMN more",
    "DROP TABLE bank_entry",
    "PRAGMA user_version = 7",
    "ANALYZE",
    "REINDEX",
    "VACUUM",
]


@pytest.mark.parametrize("sql", READS)
def test_a_read_takes_no_lease(sql: str, connection: DatabaseWrapper, leases: Counter) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        cursor.fetchall()

    assert leases.taken() == 0


@pytest.mark.parametrize("sql", WRITES)
def test_a_write_takes_one_lease_and_gives_it_back(
    sql: str, connection: DatabaseWrapper, leases: Counter
) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)

        assert leases.held() == []
    assert leases.taken() == 1


def test_queries_that_read_take_none_in_a_transaction_either(leases: Counter) -> None:
    with transaction.atomic(), transaction.atomic():
        Account.objects.count()
        list(Account.objects.filter(entry__text="x"))

    assert leases.taken() == 0


@pytest.mark.parametrize(
    "write",
    [
        lambda: Account.objects.create(owner="a"),
        lambda: Account.objects.bulk_create([Account(owner="a"), Account(owner="b")]),
        lambda: Account.objects.update_or_create(owner="a", defaults={"balance": 1}),
        lambda: Account.objects.update(balance=models.F("balance") + 1),
        lambda: Account(pk=1).delete(),
    ],
    ids=["create", "bulk_create", "update_or_create", "update", "delete"],
)
def test_a_write_of_the_orm_takes_one(write: Any, leases: Counter) -> None:
    write()

    assert leases.held() == []
    assert leases.taken() == 1


@pytest.mark.lease_tables
def test_the_lease_is_held_while_the_commit_runs_and_gone_afterwards(
    connection: DatabaseWrapper, leases: Counter
) -> None:
    held_at = []
    connection.connection.set_trace_callback(
        lambda sql: held_at.append((sql.split()[0], len(leases.held())))
    )

    Account.objects.create(owner="a")
    connection.connection.set_trace_callback(None)

    assert ("INSERT", 1) in held_at
    assert ("COMMIT", 1) in held_at
    assert leases.held() == []


def test_the_rows_of_returning_are_all_there_after_its_commit(connection: DatabaseWrapper) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO bank_account (owner, balance) "
            " VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4) RETURNING owner"
        )
        assert not connection.connection.in_transaction

        rows = [cursor.fetchone(), *cursor.fetchmany(1), next(iter(cursor)), *cursor.fetchall()]

    assert rows == [("a",), ("b",), ("c",), ("d",)]


@pytest.mark.lease_tables
@pytest.mark.parametrize("durable", [False, True])
def test_one_lease_for_nested_transactions_from_the_first_write_to_the_last_commit(
    durable: bool, connection: DatabaseWrapper, leases: Counter
) -> None:
    held = []
    with transaction.atomic(durable=durable):
        held.append(len(leases.held()))
        with transaction.atomic():
            Account.objects.create(owner="a")
            held.append(len(leases.held()))
        held.append(len(leases.held()))

    assert [*held, len(leases.held())] == [0, 1, 1, 0]
    assert leases.taken() == 1


@pytest.mark.lease_tables
def test_a_rollback_gives_the_lease_back(leases: Counter) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Account.objects.create(owner="a")
        raise ZeroDivisionError

    assert leases.held() == []
    assert Account.objects.count() == 0


def test_a_savepoint_opened_before_the_first_write_can_be_rolled_back_to(leases: Counter) -> None:
    with transaction.atomic():
        Account.objects.count()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Account.objects.create(owner="undone")
            raise ZeroDivisionError
        Account.objects.create(owner="kept")

    assert [account.owner for account in Account.objects.all()] == ["kept"]
    assert leases.taken() == 1


def test_a_savepoint_that_was_rolled_back_to_is_still_there_after_the_first_write(
    connection: DatabaseWrapper, leases: Counter
) -> None:
    """The first write begins the transaction anew, and its savepoints with it."""
    with transaction.atomic():
        outer = connection.savepoint()
        connection.savepoint_rollback(outer)
        Account.objects.create(owner="undone")
        connection.savepoint_rollback(outer)
        Account.objects.create(owner="kept")

    assert [account.owner for account in Account.objects.all()] == ["kept"]
    assert leases.taken() == 1


def test_a_savepoint_within_one_that_was_rolled_back_to_is_gone(
    connection: DatabaseWrapper,
) -> None:
    with pytest.raises(OperationalError, match="no such savepoint"), transaction.atomic():
        outer = connection.savepoint()
        inner = connection.savepoint()
        connection.savepoint_rollback(outer)
        Account.objects.create(owner="a")
        connection.savepoint_rollback(inner)


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_after_a_transaction_locks_are_waited_for_as_long_as_before(
    end: str, connect: Connect, connection: DatabaseWrapper
) -> None:
    """COMMIT waits for readers no longer than the lease lasts, 10 s here."""
    connections["default"] = patient = connect(timeout=60)
    with patient.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (60_000,)
        with suppress(ZeroDivisionError), transaction.atomic():
            Account.objects.create(owner="a")
            if end == "rollback":
                raise ZeroDivisionError
        cursor.execute("PRAGMA busy_timeout")
        assert cursor.fetchone() == (60_000,)


def test_executescript_takes_a_lease_for_what_writes(
    connection: DatabaseWrapper, leases: Counter
) -> None:
    with connection.cursor() as cursor:
        cursor.executescript(
            "CREATE TABLE t (a); SELECT 1; INSERT INTO t VALUES (';'); -- the end\n"
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM t; SELECT 1; END;"
        )
        rows = cursor.execute("SELECT a FROM t").fetchall()

    assert rows == [(";",)]
    assert leases.held() == []
    assert leases.taken() == 3


def test_executescript_leaves_a_transaction_open(
    connection: DatabaseWrapper, leases: Counter
) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(), connection.cursor() as cursor:
        cursor.executescript("INSERT INTO bank_account (owner, balance) VALUES ('a', 1);")
        raise ZeroDivisionError

    assert Account.objects.count() == 0
    assert leases.held() == []


def test_executemany_is_one_transaction(connection: DatabaseWrapper, leases: Counter) -> None:
    with pytest.raises(Exception, match="UNIQUE"), connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bank_account (owner, balance) VALUES (%s, 1)",
            ([owner] for owner in ("a", "b", "a")),
        )

    assert Account.objects.count() == 0
    assert leases.held() == []
    assert leases.taken() == 1


def test_select_for_update_takes_it_before_it_reads(leases: Counter) -> None:
    Account.objects.create(owner="a")
    leases.taken()
    with transaction.atomic():
        Account.objects.select_for_update().get(owner="a")
        assert len(leases.held()) == 1

    assert leases.held() == []


def test_select_for_update_nowait_does_not_wait(
    connection: DatabaseWrapper, connect: Connect, leases: Counter
) -> None:
    Account.objects.create(owner="a")
    other = connect()
    other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with other.cursor() as cursor:
        cursor.execute("UPDATE bank_account SET balance = 9")

    with (
        pytest.raises(OperationalError, match="database is locked"),
        transaction.atomic(),
    ):
        Account.objects.select_for_update(nowait=True).get(owner="a")

    assert len(leases.held()) == 1


def test_transaction_mode_immediate_takes_it_at_the_start(
    connect: Connect, connection: DatabaseWrapper, leases: Counter
) -> None:
    connections["default"] = connect(transaction_mode="IMMEDIATE")
    with transaction.atomic():
        assert len(leases.held()) == 1

    assert leases.held() == []
    assert leases.taken() == 1


def test_without_autocommit_the_lease_lasts_to_the_commit(
    connection: DatabaseWrapper, leases: Counter
) -> None:
    transaction.set_autocommit(False)
    Account.objects.create(owner="a")
    assert len(leases.held()) == 1
    transaction.commit()
    assert leases.held() == []
    Account.objects.create(owner="b")
    transaction.set_autocommit(True)

    assert leases.held() == []
    assert Account.objects.count() == 2


def test_a_connection_closed_in_mid_transaction_gives_it_back(
    connect: Connect, connection: DatabaseWrapper, leases: Counter
) -> None:
    other = connect()
    other.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with other.cursor() as cursor:
        cursor.execute("INSERT INTO bank_account (owner, balance) VALUES ('a', 1)")

    other.close()

    assert leases.held() == []
    assert Account.objects.count() == 0


@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA journal_mode = WAL",
        "PRAGMA query_only = OFF",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA synchronous = OFF",
        "PRAGMA mmap_size = 268435456",
        "ATTACH 'other.db' AS other",
        "VACUUM INTO 'other.db'",
    ],
)
def test_what_the_file_stands_on_is_not_to_be_set(sql: str, connection: DatabaseWrapper) -> None:
    for _ in range(2):
        with (
            pytest.raises(OperationalError, match=r"not to be set|refused"),
            connection.cursor() as cursor,
        ):
            cursor.execute(sql)


def test_a_cursor_that_goes_around_the_backend_cannot_write(connection: DatabaseWrapper) -> None:
    with pytest.raises(TypeError):
        sqlite3.Cursor(connection.connection)
    raw = sqlite3.Cursor(connection_of(connection.connection))

    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        raw.execute("DELETE FROM bank_account")


def test_a_commit_that_goes_around_the_last_check_is_refused(
    connection: DatabaseWrapper, leases: Counter
) -> None:
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"), transaction.atomic():
        Account.objects.create(owner="a")
        sqlite3.Connection.commit(connection_of(connection.connection))

    assert Account.objects.count() == 0


@pytest.mark.parametrize("of", ["connection", "cursor"])
def test_a_copy_into_the_connection_is_refused(
    of: str, connection: DatabaseWrapper, leases: Counter
) -> None:
    """SQLite would write it without a lease."""
    Account.objects.create(owner="a")
    leases.taken()
    target = connection.connection
    if of == "cursor":
        with connection.cursor() as cursor:
            target = cursor.connection

    with closing(sqlite3.connect(":memory:")) as source:
        source.execute("CREATE TABLE other (a)")
        with pytest.raises(TypeError, match=r"must be sqlite3\.Connection, not Handle"):
            source.backup(target)
        with pytest.raises(OperationalError, match="lost"), connection.wrap_database_errors:
            target.deserialize(source.serialize())

    assert Account.objects.get().owner == "a"
    assert leases.taken() == 0


def test_the_connection_itself_has_plain_placeholders(connection: DatabaseWrapper) -> None:
    raw = connection.connection
    with raw:
        raw.execute("INSERT INTO bank_account (owner, balance) VALUES (?, ?)", ("100 %s", 1))

    assert raw.execute("SELECT owner FROM bank_account WHERE owner LIKE '%s'").fetchall() == [
        ("100 %s",)
    ]


def test_a_database_in_memory_is_djangos_own(connect: Connect, leases: Counter) -> None:
    memory = connect(":memory:")
    with memory.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a)")
        cursor.execute("PRAGMA journal_mode")

    assert type(memory.connection) is sqlite3.Connection
    assert leases.taken() == 0
    memory.connection.close()


def test_a_file_opened_to_read_only_stays_so(
    connect: Connect, connection: DatabaseWrapper, leases: Counter, directory: Path
) -> None:
    read_only = connect(f"file:{directory / 'main.db'}?mode=ro")

    with read_only.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM bank_account").fetchall() == [(0,)]
        with pytest.raises(OperationalError, match="readonly"):
            cursor.execute("DELETE FROM bank_account")

    assert leases.taken() == 0


def test_queries_are_logged_as_django_logs_them(connection: DatabaseWrapper) -> None:
    with CaptureQueriesContext(connection) as captured:
        Account.objects.create(owner="a")
        Entry.objects.count()

    assert [query["sql"].split()[0] for query in captured] == ["INSERT", "SELECT"]


@pytest.mark.lease_tables
def test_the_service_and_django_keep_each_other_out(
    ask: Any, connection: DatabaseWrapper, leases: Counter, directory: Path
) -> None:
    with transaction.atomic():
        Account.objects.create(owner="a")
        with pytest.raises(Exception, match="holds the lease"):
            ask(query="UPDATE bank_account SET balance = 5", timeout_ms=1_500)

    assert ask(query="UPDATE bank_account SET balance = 5")["rows_affected"] == 1
    assert Account.objects.get().balance == 5
    with closing(sqlite3.connect(directory / "main.db")) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_opcodes_of_a_statement_are_those_of_the_schema_as_it_is(
    connection: DatabaseWrapper, connect: Connect
) -> None:
    """A listing that is kept, and run again after the schema changed, reads freed memory."""
    with connection.cursor() as cursor, connect().cursor() as elsewhere:
        cursor.execute("CREATE TABLE t (a)")
        insert = "INSERT INTO t VALUES (1)"
        assert "IdxInsert" not in connection.connection._opcodes(insert)
        elsewhere.execute("CREATE INDEX i ON t (a)")
        cursor.execute("SELECT * FROM t")

    assert "IdxInsert" in connection.connection._opcodes(insert)
