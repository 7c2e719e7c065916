"""Reads whose answer is kept by their caller: run only where the database has changed since."""

import time

import pytest

from sqlatch.kernel.errors import StatementError
from sqlexec.database import Database
from sqlexec.statement import GrantNeeded
from sqlexec.versions import Unchanged
from storage.version import Version
from tests.grants import granted
from tests.sqlexec.conftest import job

ANY_TIME_S = 600


def version_of(database: Database, sql: str = "SELECT n FROM t") -> Version:
    outcome = database.read_unless(job(sql), lambda _version: False, time.time() + ANY_TIME_S)
    assert outcome.version is not None
    return outcome.version


def test_a_version_stays_until_the_next_commit(database: Database) -> None:
    texts = [version_of(database).text, version_of(database, "SELECT 1").text]
    database.write(job("INSERT INTO t VALUES (1)"), granted())

    assert texts[0] == texts[1] != version_of(database).text


def test_a_version_that_is_known_ends_the_read(database: Database) -> None:
    known = version_of(database)

    with pytest.raises(Unchanged) as unchanged:
        database.read_unless(
            job("no statement"), lambda one: one.text == known.text, time.time() + ANY_TIME_S
        )

    assert unchanged.value.version.text == known.text
    assert database.read(job("SELECT 1"), time.time() + ANY_TIME_S).results[0].rows == [(1,)]


def test_rows_that_follow_from_more_than_the_state_have_no_version(database: Database) -> None:
    for sql in ("SELECT random()", "PRAGMA data_version", "EXPLAIN SELECT 1"):
        assert version_of(database, sql).text == "", sql
    assert version_of(database).text


def test_a_statement_that_writes_or_is_none_is_refused_as_in_any_read(database: Database) -> None:
    with pytest.raises(GrantNeeded):
        version_of(database, "DELETE FROM t")
    with pytest.raises(StatementError):
        version_of(database, "SELECT m FROM t")
    database.write(job("INSERT INTO t VALUES (1)"), granted())
    assert version_of(database).text
