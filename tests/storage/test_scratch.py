"""A database in memory, on which a first write is rehearsed."""

import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from sqlatch.kernel.errors import Constraint
from storage.engine import Table
from storage.scratch import Scratch

TABLE = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    deadline_s = time.time() + 600
    with closing(Scratch("main", table=TABLE, now=time.time, deadline_s=deadline_s)) as scratch:
        yield scratch


def test_it_begins_empty_but_for_the_table(scratch: Scratch) -> None:
    assert scratch.connection.run("SELECT name FROM sqlite_schema") == [("ours",)]


def test_a_write_is_committed_or_rolled_back(scratch: Scratch) -> None:
    with scratch.write() as transaction:
        transaction.connection.run("CREATE TABLE t AS SELECT 1 AS n")
        transaction.commit()
    with scratch.write() as transaction:
        transaction.connection.run("DELETE FROM t")

    assert scratch.connection.run("SELECT n FROM t") == [(1,)]


def test_a_constraint_that_is_deferred_is_met_at_the_commit(scratch: Scratch) -> None:
    scratch.connection.run("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    scratch.connection.run("CREATE TABLE c (p REFERENCES p DEFERRABLE INITIALLY DEFERRED)")

    with scratch.write() as transaction:
        transaction.connection.run("INSERT INTO c VALUES (1)")
        with pytest.raises(Constraint):
            transaction.commit()
