"""One transaction, statement by statement."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from sqlatch.kernel.errors import Constraint, ForbiddenStatement, StatementError
from sqlexec.database import Database
from sqlexec.statement import IdempotencyKey, Kind
from sqlexec.transaction import Transaction
from tests.grants import granted
from tests.sqlexec.conftest import job, rows, run_in


@pytest.fixture
def transaction(database: Database) -> Iterator[Transaction]:
    """A transaction that may be committed."""
    with database.interactive.writing(granted(), creates=False) as transaction:
        yield transaction


def test_each_statement_has_the_time_and_the_chance_that_it_is_given(
    transaction: Transaction,
) -> None:
    sql = "SELECT strftime('%s', 'now'), random(), random()"
    first = run_in(transaction, sql, at_ms=5_000, seed=b"a").rows[0]

    assert first[0] == "5"
    assert first[1] != first[2]
    assert run_in(transaction, sql, at_ms=5_000, seed=b"a").rows[0] == first
    assert run_in(transaction, sql, at_ms=5_000, seed=b"b").rows[0] != first


@pytest.mark.parametrize("name", ["a", 'a "quoted" name', "a; ROLLBACK", ""])
def test_savepoints_have_whatever_name(transaction: Transaction, name: str) -> None:
    run_in(transaction, "INSERT INTO t VALUES (1)")
    transaction.savepoint("SAVEPOINT", name)
    run_in(transaction, "INSERT INTO t VALUES (2)")
    transaction.savepoint("ROLLBACK TO", name)
    transaction.savepoint("RELEASE", name)

    assert run_in(transaction, "SELECT n FROM t").rows == [(1,)]
    assert transaction.is_open


def test_a_savepoint_that_is_not_there_is_refused(transaction: Transaction) -> None:
    with pytest.raises(StatementError, match="no such savepoint"):
        transaction.savepoint("RELEASE", "a")


def test_control_of_the_user_s_own_is_refused(transaction: Transaction) -> None:
    for sql in ("COMMIT", "SAVEPOINT a", "VACUUM"):
        with pytest.raises(ForbiddenStatement):
            run_in(transaction, sql)
    assert transaction.is_open


def test_a_statement_may_end_it(transaction: Transaction) -> None:
    run_in(transaction, "CREATE TABLE u (n UNIQUE)")
    run_in(transaction, "INSERT INTO u VALUES (1)")

    with pytest.raises(Constraint):
        run_in(transaction, "INSERT OR ROLLBACK INTO u VALUES (1)")

    assert not transaction.is_open


def test_the_last_rowid_can_be_set_as_it_was(transaction: Transaction) -> None:
    transaction.last_insert_rowid = 7
    assert run_in(transaction, "SELECT last_insert_rowid()").rows == [(7,)]

    run_in(transaction, "INSERT INTO t VALUES (1)")
    assert transaction.last_insert_rowid == 1


def test_a_text_is_described_without_being_run_in(transaction: Transaction) -> None:
    assert transaction.plan("DELETE FROM t").kind is Kind.WRITE
    described: Any = transaction.describe("SELECT n, 1 AS one FROM t", has_run=False)

    assert described.columns == (("n", None), ("one", None))
    assert transaction.describe("EXPLAIN SELECT 1", has_run=False).is_explain
    assert run_in(transaction, "SELECT count(*) FROM t").rows == [(0,)]


def test_a_commit_keeps_its_record_in_the_same_transaction(database: Database) -> None:
    with database.interactive.writing(granted(), creates=False) as transaction:
        run_in(transaction, "INSERT INTO t VALUES (1)")
        transaction.commit(IdempotencyKey("k", b"f"), "the reply")
    assert rows(database) == [(1,)]

    with database.interactive.reading(time.time() + 600) as transaction:
        (record,) = transaction.records(after="", before="", also="k")
    assert (record.fingerprint, record.reply) == (b"f", "the reply")


def test_a_deferred_foreign_key_that_does_not_hold_commits_nothing(database: Database) -> None:
    database.write(job("CREATE TABLE p (id INTEGER PRIMARY KEY)"), granted())
    deferred = "CREATE TABLE d (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)"
    database.write(job(deferred), granted())

    with database.interactive.writing(granted(), creates=False) as transaction:
        run_in(transaction, "INSERT INTO d VALUES (1)")
        with pytest.raises(Constraint):
            transaction.commit(IdempotencyKey("k", b"f"))

    assert rows(database, "SELECT * FROM d") == []
    with database.interactive.reading(time.time() + 600) as transaction:
        assert transaction.records(after="", before="", also="k") == []
