"""The faults of django-sqlite-efs, each as a test that passes here, with real processes."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections, transaction
from django.dispatch import Signal

from sqlatch.django.base import DatabaseWrapper
from tests.django.bank.models import Account
from tests.django.conftest import Connect, Counter, Hands
from tests.django.writers import run_together, say_go, start

pytestmark = pytest.mark.django


@pytest.fixture
def file(directory: Path, connection: DatabaseWrapper) -> Path:
    return directory / "main.db"


def unlocked(file: Path) -> str:
    """The same file without SQLite's locks: what keeps writers apart then is the lease alone."""
    return f"file:{file}?vfs=unix-none"


def owners(file: Path) -> list[str]:
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return sorted(owner for (owner,) in plain.execute("SELECT owner FROM bank_account"))


def is_whole(file: Path, acknowledged: list[str]) -> bool:
    try:
        return owners(file) == sorted(acknowledged)
    except (AssertionError, sqlite3.DatabaseError):
        return False


@pytest.mark.lease_tables
@pytest.mark.parametrize("locks", ["file locks", "no file locks"])
def test_400_rows_created_in_autocommit_by_8_processes_are_there(
    locks: str, file: Path, process_environment: Mapping[str, str], leases: Counter
) -> None:
    """There, INSERT ... RETURNING committed after the lock had gone: 18 of 320 were lost."""
    name = file if locks == "file locks" else unlocked(file)

    acknowledged = run_together(8, name, "create", 50, process_environment)

    assert len(acknowledged) == 400
    assert owners(file) == sorted(acknowledged)
    assert leases.held() == []


def test_without_lease_and_file_locks_rows_are_lost(
    file: Path, process_environment: Mapping[str, str]
) -> None:
    """The negative control."""
    environment = {**process_environment, "TEST_WITHOUT": "lease"}

    acknowledged = run_together(8, unlocked(file), "create", 50, environment)

    assert len(acknowledged) < 400 or not is_whole(file, acknowledged)


@pytest.mark.lease_tables
@pytest.mark.parametrize(
    ("deed", "locks"),
    [
        ("raise_in_atomic", "file locks"),
        ("raise_for_update", "file locks"),
        ("raise_for_update", "no file locks"),
    ],
)
def test_no_update_is_lost_that_follows_from_a_read_in_atomic(
    deed: str, locks: str, file: Path, process_environment: Mapping[str, str]
) -> None:
    """There, a commit from stale reads lost 3 of 4 acknowledged updates.

    A read before the lease is one state of the file by SQLite's locks only: without them it may
    see a page of the commit before beside the counter of the next, and nothing can tell.
    """
    Account.objects.create(owner="counter")
    connections["default"].close()
    name = file if locks == "file locks" else unlocked(file)

    acknowledged = run_together(8, name, deed, 20, process_environment)

    assert sorted(acknowledged) == list(range(1, len(acknowledged) + 1))
    assert Account.objects.get().balance == len(acknowledged)
    assert len(acknowledged) == 160 or deed == "raise_in_atomic"


def test_an_exception_after_the_lease_ran_out_leaves_nothing_in_the_file(
    hands: Hands, file: Path, leases: Counter
) -> None:
    """There, the rolled-back change was in the file."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Account.objects.create(owner="a")
        hands.moved_s = 60
        raise ZeroDivisionError

    assert owners(file) == []
    assert leases.held() == []


@pytest.mark.lease_tables
def test_a_commit_after_the_lease_ran_out_is_refused_and_nothing_is_in_the_file(
    hands: Hands, file: Path, leases: Counter
) -> None:
    """There, an error was raised and the change kept, so that a retry applied it twice."""
    with (
        pytest.raises(OperationalError, match=r"ran out .* before the commit"),
        transaction.atomic(),
    ):
        Account.objects.create(owner="a")
        hands.moved_s = 60

    assert owners(file) == []
    assert leases.held() == []
    Account.objects.create(owner="a")
    assert owners(file) == ["a"]


@pytest.mark.parametrize("catches", [False, True])
def test_a_transaction_whose_lease_ran_out_does_not_take_another(
    catches: bool, connection: DatabaseWrapper, hands: Hands, file: Path, leases: Counter
) -> None:
    """There, a new lock was taken in silence, in mid transaction."""
    insert = "INSERT INTO bank_account (owner, balance) VALUES (%s, 1)"
    with (
        pytest.raises(OperationalError, match="nothing of it was written"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(insert, ["a"])
        hands.moved_s = 60
        try:
            cursor.execute(insert, ["b"])
        except OperationalError:
            if not catches:
                raise
        # SQLite has no transaction any more: this one would be committed by itself.
        cursor.execute(insert, ["c"])

    assert owners(file) == []
    assert leases.taken() == 1


@contextmanager
def in_an_inner_block(**options: Any) -> Iterator[None]:
    with suppress(OperationalError), transaction.atomic(**options):
        yield


CATCHES = [
    lambda: suppress(OperationalError),
    in_an_inner_block,
    lambda: in_an_inner_block(savepoint=False),
]


@pytest.mark.parametrize("catches", CATCHES, ids=["suppress", "inner", "inner without savepoint"])
@pytest.mark.parametrize(
    "write", [lambda: Account.objects.create(owner="b"), lambda: Account.objects.update(balance=2)]
)
def test_the_outermost_block_raises_at_its_end_where_the_loss_of_the_lease_was_caught(
    write: Callable[[], Any],
    catches: Callable[[], Any],
    hands: Hands,
    file: Path,
    leases: Counter,
) -> None:
    done: list[str] = []
    with (
        pytest.raises(OperationalError, match="nothing of it was written"),
        transaction.atomic(),
    ):
        transaction.on_commit(lambda: done.append("on_commit"))
        Account.objects.create(owner="a")
        with catches():
            hands.moved_s = 60
            write()
        done.append("the end")

    assert done == ["the end"]
    assert owners(file) == []
    assert leases.held() == []
    Account.objects.create(owner="c")
    with transaction.atomic():
        Account.objects.create(owner="d")
    assert owners(file) == ["c", "d"]


def test_a_signal_sent_robustly_does_not_hide_that_the_lease_was_lost(
    hands: Hands, file: Path
) -> None:
    written = Signal()

    def receive(**_sent: Any) -> None:
        hands.moved_s = 60
        Account.objects.create(owner="b")

    written.connect(receive)
    with (
        pytest.raises(OperationalError, match="nothing of it was written"),
        transaction.atomic(),
    ):
        Account.objects.create(owner="a")
        ((_receiver, answer),) = written.send_robust(None)
        assert isinstance(answer, OperationalError)

    assert owners(file) == []


def test_a_lease_that_could_not_be_had_is_told_at_the_end_too(connect: Connect, file: Path) -> None:
    connections["default"].close()
    connections["default"] = connect(timeout=0.1)
    holder = connect()
    holder.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
    with holder.cursor() as cursor:
        cursor.execute("UPDATE bank_account SET balance = 9")

    with (
        pytest.raises(OperationalError, match="nothing of it was written"),
        transaction.atomic(),
        suppress(OperationalError),
    ):
        Account.objects.create(owner="a")


def test_an_error_of_the_block_itself_is_the_one_that_is_raised(hands: Hands, file: Path) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Account.objects.create(owner="a")
        hands.moved_s = 60
        with suppress(OperationalError):
            Account.objects.create(owner="b")
        raise ZeroDivisionError

    assert owners(file) == []


def test_a_rollback_that_was_asked_for_is_no_error_though_the_lease_was_lost(
    hands: Hands, file: Path
) -> None:
    with transaction.atomic():
        Account.objects.create(owner="a")
        hands.moved_s = 60
        with suppress(OperationalError):
            Account.objects.create(owner="b")
        transaction.set_rollback(True)

    assert owners(file) == []


@pytest.mark.parametrize(("sql", "kept"), [("COMMIT", ["a"]), ("ROLLBACK", [])])
def test_a_block_whose_transaction_sql_has_ended_says_so_at_its_end(
    sql: str, kept: list[str], connection: DatabaseWrapper, file: Path
) -> None:
    with (
        pytest.raises(OperationalError, match="COMMIT or ROLLBACK as SQL"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        Account.objects.create(owner="a")
        cursor.execute(sql)

    assert owners(file) == kept


def test_without_autocommit_a_commit_as_sql_is_one(file: Path, connection: DatabaseWrapper) -> None:
    transaction.set_autocommit(False)
    Account.objects.create(owner="a")
    with connection.cursor() as cursor:
        cursor.execute("COMMIT")
    Account.objects.create(owner="b")
    transaction.commit()
    transaction.set_autocommit(True)

    assert owners(file) == ["a", "b"]


def test_without_autocommit_nothing_is_written_between_the_loss_and_the_rollback(
    hands: Hands, file: Path, leases: Counter
) -> None:
    transaction.set_autocommit(False)
    Account.objects.create(owner="a")
    hands.moved_s = 60
    for _statement in range(2):
        with pytest.raises(OperationalError, match="nothing of it was written"):
            Account.objects.update(balance=2)
    with pytest.raises(OperationalError, match="nothing of it was written"):
        transaction.commit()
    transaction.rollback()
    Account.objects.create(owner="b")
    transaction.commit()
    transaction.set_autocommit(True)

    assert owners(file) == ["b"]
    assert leases.held() == []


def test_a_statement_that_outlives_its_lease_is_not_committed(
    connection: DatabaseWrapper, hands: Hands, file: Path
) -> None:
    connection.connection.create_function("stall", 0, lambda: setattr(hands, "moved_s", 60) or "a")

    with pytest.raises(OperationalError, match="ran out"), connection.cursor() as cursor:
        cursor.execute("INSERT INTO bank_account (owner, balance) VALUES (stall(), 1)")

    assert owners(file) == []


def test_what_was_read_before_another_committed_is_not_written_back(
    connection: DatabaseWrapper, connect: Connect, file: Path
) -> None:
    Account.objects.create(owner="counter")
    with pytest.raises(OperationalError, match="another writer committed"), transaction.atomic():
        account = Account.objects.get()
        # Its own reads do not hold the file against a writer that has no locks.
        with closing(sqlite3.connect(unlocked(file), uri=True)) as other, other:
            other.execute("UPDATE bank_account SET balance = 7")
        account.balance += 1
        account.save()

    assert Account.objects.get().balance == 7


def test_readers_do_not_wait_for_a_slow_writer_nor_take_leases(
    file: Path, connect: Connect, process_environment: Mapping[str, str], leases: Counter
) -> None:
    """There, a read took 1.5 s and 8 PutItems while a journal existed."""
    with start(file, "hold_in_atomic", 1, 1, process_environment) as writer:
        say_go(writer)
        assert writer.stdout is not None
        assert writer.stdout.readline() == "written\n"
        for reader in (connections["default"], connect()):
            with reader.cursor() as cursor:
                assert cursor.execute("SELECT count(*) FROM bank_account").fetchone() == (0,)
        assert len(leases.held()) == 1
        say_go(writer)
        assert writer.wait(20) == 0

    assert leases.taken() == 1
    assert owners(file) == ["1-0"]


@pytest.mark.lease_tables
def test_a_killed_holder_blocks_no_reader_and_writers_for_one_lease(
    file: Path, connect: Connect, process_environment: Mapping[str, str], leases: Counter
) -> None:
    environment = {**process_environment, "SQLITE_LOCK_EXPIRATION": "1"}
    with start(file, "die_in_atomic", 1, 1, environment) as killed:
        say_go(killed)
        assert killed.wait(20) == -9
    assert len(leases.held()) == 1

    assert Account.objects.count() == 0
    with pytest.raises(OperationalError, match=r"database is locked: .*django"):
        impatient = connections["default"] = connect(timeout=0.1)
        Account.objects.create(owner="a")
    impatient.close()
    connections["default"] = connect(timeout=20)
    Account.objects.create(owner="b")

    assert owners(file) == ["b"]


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "persist"),
        ("synchronous", 2),
        ("mmap_size", 0),
        ("cache_size", -8000),
        ("cache_spill", 0),
        ("locking_mode", "normal"),
        ("foreign_keys", 1),
    ],
)
def test_settings_of_the_connection(pragma: str, value: Any, connection: DatabaseWrapper) -> None:
    """There, cache_size meant 256 GiB, and mmap was on over NFS."""
    with connection.cursor() as cursor:
        assert cursor.execute(f"PRAGMA {pragma}").fetchone() == (value,)
