"""Transactions whose statements come one by one: each is committed or rolled back at its end."""

import time
from pathlib import Path

import pytest

from sqlatch.kernel.errors import Constraint, DatabaseNotFound
from sqlexec.database import Database
from sqlexec.databases import Databases
from sqlexec.interactive import Interactive
from sqlexec.statement import GrantNeeded
from sqlexec.transaction import Transaction
from tests.grants import granted
from tests.sqlexec.conftest import job, rows, run_in


@pytest.fixture
def interactive(database: Database) -> Interactive:
    database.write(job("CREATE TABLE c (p REFERENCES p)"), granted())
    database.write(job("CREATE TABLE p (id INTEGER PRIMARY KEY)"), granted())
    return database.interactive


def run(transaction: Transaction, sql: str) -> list[object]:
    return run_in(transaction, sql).rows


def deadline_s() -> float:
    return time.time() + 600


def test_what_is_committed_is_there_and_what_is_not_is_rolled_back(
    interactive: Interactive, database: Database
) -> None:
    with interactive.writing(granted(), creates=False) as transaction:
        run(transaction, "INSERT INTO t VALUES (1)")
        transaction.commit()
    with interactive.writing(granted(), creates=False) as transaction:
        run(transaction, "INSERT INTO t VALUES (2)")

    assert rows(database) == [(1,)]


def test_a_block_that_fails_rolls_back(interactive: Interactive, database: Database) -> None:
    def fail() -> None:
        with interactive.writing(granted(), creates=False) as transaction:
            run(transaction, "INSERT INTO t VALUES (1)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert rows(database) == []


def test_a_reading_transaction_sees_one_state_and_cannot_write(
    interactive: Interactive, database: Database
) -> None:
    with interactive.reading(deadline_s()) as transaction:
        assert run(transaction, "SELECT n FROM t") == []
        assert not transaction.commits
        with pytest.raises(GrantNeeded):
            run(transaction, "INSERT INTO t VALUES (1)")
        assert run(transaction, "SELECT n FROM t") == []


def test_foreign_keys_are_off_for_one_transaction_and_on_for_the_next(
    interactive: Interactive,
) -> None:
    with interactive.writing(granted(), creates=False, foreign_keys=False) as transaction:
        run(transaction, "INSERT INTO c VALUES (1)")
        transaction.commit()

    with interactive.writing(granted(), creates=False) as transaction, pytest.raises(Constraint):
        run(transaction, "INSERT INTO c VALUES (2)")


def test_the_count_of_changes_begins_at_nothing(interactive: Interactive) -> None:
    with interactive.writing(granted(), creates=False) as transaction:
        run(transaction, "INSERT INTO t VALUES (1), (2)")
        transaction.commit()

    with interactive.writing(granted(), creates=False) as transaction:
        assert run(transaction, "SELECT changes(), total_changes()") == [(0, 0)]


def test_where_there_is_no_database_an_empty_one_is_rehearsed_on(
    databases: Databases, tmp_path: Path
) -> None:
    new = databases.get("new").interactive
    assert not new.exists()

    with new.reading(deadline_s()) as transaction:
        run(transaction, "CREATE TABLE t (n)")
        run(transaction, "INSERT INTO t VALUES (1)")
        assert run(transaction, "SELECT n FROM t") == [(1,)]
        assert (transaction.writes, transaction.commits) == (True, False)

    assert not (tmp_path / "new.db").exists()
    with new.writing(granted(), creates=True) as transaction:
        run(transaction, "CREATE TABLE t (n)")
        transaction.commit()
    assert new.exists()


def test_a_service_that_may_not_create_finds_none(databases: Databases) -> None:
    databases._may_create = False
    new = databases.get("new").interactive

    with pytest.raises(DatabaseNotFound, match="SQLATCH_CREATE"), new.reading(deadline_s()):
        raise AssertionError("was begun")
