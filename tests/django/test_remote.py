"""Django over the network: transactions, conflicts, savepoints, errors, lost answers."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import (
    DataError,
    IntegrityError,
    NotSupportedError,
    OperationalError,
    connection,
    transaction,
)

from sqlatch.attempts import ATTEMPTS_MAX
from tests.django.bank.models import Account, Entry
from tests.django.conftest import Open
from tests.sqlatch.losing import losing

pytestmark = pytest.mark.django


def balances(wrapper: Any) -> list[tuple[Any, ...]]:
    """Return the rows that another connection sees."""
    with wrapper.cursor() as cursor:
        return cursor.execute("SELECT owner, balance FROM bank_account ORDER BY owner").fetchall()


def test_a_write_outside_atomic_is_there_at_once(remote: Open) -> None:
    account = Account.objects.create(owner="a")
    Account.objects.bulk_create(Account(owner=f"b{number}") for number in range(3))
    Account.objects.filter(pk=account.pk).update(balance=5)

    assert balances(remote()) == [("a", 5), ("b0", 0), ("b1", 0), ("b2", 0)]
    assert [one.pk for one in Account.objects.order_by("pk")] == [1, 2, 3, 4]


def test_atomic_is_all_or_nothing(remote: Open) -> None:
    with transaction.atomic():
        Account.objects.create(owner="a")
        assert balances(remote()) == []
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Account.objects.create(owner="b")
        1 / 0  # noqa: B018

    assert balances(remote()) == [("a", 0)]
    assert connection.get_autocommit()


def test_a_nested_atomic_undoes_only_itself(remote: Open) -> None:
    with transaction.atomic():
        Account.objects.create(owner="a")
        with pytest.raises(IntegrityError), transaction.atomic():
            Account.objects.create(owner="b")
            Account.objects.create(owner="a")
        with transaction.atomic():
            Account.objects.create(owner="c")
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            Account.objects.create(owner="d")
            1 / 0  # noqa: B018

    assert balances(remote()) == [("a", 0), ("c", 0)]


def test_what_a_savepoint_read_counts_after_it_was_rolled_back(remote: Open) -> None:
    """As a mark it would be forgotten, and what was decided by it would be committed."""
    Account.objects.create(owner="a")
    with pytest.raises(OperationalError, match="another transaction"), transaction.atomic():
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            assert Account.objects.get(owner="a").balance == 0
            1 / 0  # noqa: B018
        with remote().cursor() as other:
            other.execute("UPDATE bank_account SET balance = 9")
        Account.objects.create(owner="b")

    assert balances(remote()) == [("a", 9)]


def test_who_lost_against_another_writer_is_told_and_nothing_is_written(remote: Open) -> None:
    Account.objects.create(owner="a", balance=10)

    def add(number: int, meanwhile: Callable[[], object] = int) -> None:
        with transaction.atomic():
            account = Account.objects.get(owner="a")
            meanwhile()
            account.balance += number
            account.save()

    def other() -> None:
        with remote().cursor() as cursor:
            cursor.execute("UPDATE bank_account SET balance = balance + 100")

    with pytest.raises(OperationalError, match="another transaction has changed what this one"):
        add(1, other)
    assert balances(remote()) == [("a", 110)]
    add(1)

    assert balances(remote()) == [("a", 111)]


def test_a_conflict_that_is_caught_inside_does_not_let_the_rest_commit(remote: Open) -> None:
    Account.objects.create(owner="a")
    with pytest.raises(OperationalError, match="another transaction"), transaction.atomic():
        list(Account.objects.all())
        with remote().cursor() as other:
            other.execute("UPDATE bank_account SET balance = 1")
        with connection.cursor() as cursor:
            for _attempt in range(2):
                with suppress(OperationalError):
                    cursor.execute("UPDATE bank_account SET balance = 2")

    assert balances(remote()) == [("a", 1)]


def test_a_foreign_key_is_checked_at_the_commit(remote: Open) -> None:
    with transaction.atomic():
        Entry.objects.create(account_id=7, text="first the entry")
        Account.objects.create(pk=7, owner="then its account")
    with pytest.raises(IntegrityError, match="FOREIGN KEY"), transaction.atomic():
        Entry.objects.create(account_id=8, text="none")

    assert Entry.objects.count() == 1
    assert connection.get_autocommit()


def test_select_for_update_needs_no_lock(remote: Open) -> None:
    Account.objects.create(owner="a")
    with transaction.atomic():
        account = Account.objects.select_for_update().get(owner="a")
        account.balance = 3
        account.save()

    assert balances(remote()) == [("a", 3)]


def test_a_read_only_transaction_is_as_many_requests_as_statements(remote: Open) -> None:
    transport = losing(connection.connection)
    with transaction.atomic():
        list(Account.objects.all())
        list(Account.objects.all())

    assert transport.sent == 2


def test_what_a_script_writes_in_a_block_is_there_when_its_hooks_run(remote: Open) -> None:
    seen: list[object] = []
    other = remote()
    with transaction.atomic():
        transaction.on_commit(lambda: seen.append(balances(other)))
        with connection.cursor() as cursor:
            cursor.executescript(
                "SELECT 1; INSERT INTO bank_account (owner, balance) VALUES ('a', 7)"
            )

    assert seen == [[("a", 7)]]


REFUSED = [
    ("SELECT * FROM nowhere", OperationalError, "no such table: nowhere"),
    ("SELEKT", OperationalError, "syntax error"),
    ("INSERT INTO bank_account (owner, balance) VALUES ('a', NULL)", IntegrityError, "NOT NULL"),
    ("ATTACH 'x' AS y", NotSupportedError, "ATTACH"),
    ("DROP TABLE sqlatch_idempotency", NotSupportedError, "sqlatch_idempotency"),
    ("SELECT zeroblob(6000000)", DataError, "limit"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "kind", "why"), REFUSED)
def test_what_the_service_refuses_is_djangos_error_of_that_kind(
    remote: Open, sql: str, kind: type[Exception], why: str
) -> None:
    with pytest.raises(kind, match=why) as raised, connection.cursor() as cursor:
        cursor.execute(sql)

    assert type(raised.value) is kind
    assert connection.is_usable()


def test_an_answer_that_is_lost_is_asked_for_again_and_nothing_is_written_twice(
    remote: Open,
) -> None:
    connection.close()
    connection.connect()  # whose first request is known by a key, and not by a baton
    transport = losing(connection.connection)
    transport.lost = 2
    Account.objects.create(owner="first")
    transport.lost = 2
    Account.objects.create(owner="second")
    with transaction.atomic():
        transport.lost = 2
        Account.objects.create(owner="in a transaction")
        transport.lost = 2

    assert [owner for owner, _ in balances(remote())] == ["first", "in a transaction", "second"]


def test_after_answers_that_never_came_the_connection_goes_on(remote: Open) -> None:
    transport = losing(connection.connection)
    Account.objects.create(owner="before")
    transport.lost = ATTEMPTS_MAX
    with pytest.raises(OperationalError, match="lost"):
        Account.objects.create(owner="perhaps")
    Account.objects.create(owner="behind")

    assert [owner for owner, _balance in balances(remote())] == ["before", "behind", "perhaps"]


def test_a_service_that_is_not_there_is_not_usable(remote: Open) -> None:
    wrapper = remote("http://127.0.0.1:9/main", timeout=0.2)
    wrapper.ensure_connection()  # which asks nobody

    assert not wrapper.is_usable()
    with pytest.raises(OperationalError, match="no connection"):
        balances(wrapper)


def test_a_connection_that_was_closed_is_opened_again(remote: Open) -> None:
    Account.objects.create(owner="a")
    connection.close()

    assert Account.objects.count() == 1
    assert connection.is_usable()
