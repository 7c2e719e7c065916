"""A transaction that SQL itself begins or ends: the connection follows."""

import subprocess
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from sqlatch import dbapi
from sqlatch.attempts import ATTEMPTS_MAX
from sqlatch.dbapi import Connection
from sqlatch.dbapi.words import word_of
from tests.sqlatch.losing import losing
from tests.sqlatch.test_dbapi import Connect, rows
from tests.sqlatch.test_dbapi import connect as connect
from tests.sqlatch.test_dbapi import db as db

ROOT = Path(__file__).parents[2]

ENDS = {
    "OR ROLLBACK": "INSERT OR ROLLBACK INTO t (id) VALUES (1)",
    "RAISE(ROLLBACK)": "UPDATE t SET b = 1 WHERE id = 1",
    "COMMIT": "COMMIT",
    "END behind a comment": "/* it is over */ END TRANSACTION;",
    "ROLLBACK": "-- gone\n ROLLBACK",
    "COMMIT in a script": "SELECT 1; COMMIT",
}


@pytest.fixture
def guarded(db: Connection) -> Connection:
    """With a row 1 that nobody may update."""
    db.execute("INSERT INTO t (id, a) VALUES (1, 'first')")
    db.execute(
        "CREATE TRIGGER no BEFORE UPDATE ON t BEGIN SELECT RAISE(ROLLBACK, 'not this one'); END"
    )
    db.commit()
    return db


@pytest.mark.parametrize(("how", "autocommit"), list(product(ENDS, [False, True])))
def test_a_transaction_that_ended_by_itself_is_over_and_the_next_one_can_be_rolled_back(
    guarded: Connection, connect: Connect, how: str, *, autocommit: bool
) -> None:
    guarded.autocommit = autocommit
    guarded.execute("BEGIN")
    guarded.execute("INSERT INTO t (a) VALUES ('second')")
    with suppress(dbapi.Error):
        end = guarded.executescript if "script" in how else guarded.execute
        end(ENDS[how])

    assert not guarded.in_transaction
    kept = [("first",), ("second",)] if "COMMIT" in how or "END" in how else [("first",)]
    assert rows(connect) == kept

    if autocommit:
        guarded.execute("BEGIN")
    guarded.execute("INSERT INTO t (a) VALUES ('third')")
    assert guarded.in_transaction
    guarded.rollback()

    assert rows(connect) == kept


def test_begin_as_sql_begins_one_and_commit_commits_it(db: Connection, connect: Connect) -> None:
    for autocommit in (True, False):
        db.autocommit = autocommit
        db.execute("BEGIN IMMEDIATE")
        assert db.in_transaction
        db.execute("INSERT INTO t (a) VALUES ('x')")
        db.commit()
        assert not db.in_transaction

    assert rows(connect) == [("x",), ("x",)]


def test_a_savepoint_outside_a_transaction_begins_one_until_it_is_released(
    db: Connection, connect: Connect
) -> None:
    db.autocommit = True
    db.execute("SAVEPOINT one")
    db.execute("INSERT INTO t (a) VALUES ('x')")
    assert db.in_transaction
    db.execute("RELEASE one")

    assert not db.in_transaction
    assert rows(connect) == [("x",)]


SCRIPTS = [
    "SELECT 1; INSERT INTO t (a) VALUES ('x')",
    "-- only reads?\nVALUES (1); INSERT INTO t (a) VALUES ('x');",
    "EXPLAIN SELECT 1; INSERT INTO t (a) VALUES ('x'); SELECT 1",
]


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_script_writes_is_committed_whatever_its_first_word(
    db: Connection, connect: Connect, script: str
) -> None:
    db.executescript(script)
    db.commit()

    assert rows(connect) == [("x",)]


def test_a_script_may_commit_and_begin_again(db: Connection, connect: Connect) -> None:
    for name in "xy":
        db.executescript(
            f"INSERT INTO t (a) VALUES ('{name}'); COMMIT; BEGIN;"
            " INSERT INTO t (a) VALUES ('rolled back')"
        )
        assert db.in_transaction
        db.rollback()
        db.execute("INSERT INTO t (a) VALUES ('behind')")
        db.commit()

    assert rows(connect) == [("x",), ("behind",), ("y",), ("behind",)]


def test_a_script_with_its_own_transaction_runs_as_it_is(db: Connection, connect: Connect) -> None:
    db.executescript("/* dumped */ BEGIN; INSERT INTO t (a) VALUES ('x'); COMMIT;")

    assert not db.in_transaction
    assert rows(connect) == [("x",)]


@pytest.mark.parametrize("how", ["commit()", "COMMIT", "INSERT INTO t (a) VALUES ('z'); COMMIT"])
def test_after_a_commit_whose_answer_never_came_the_next_transaction_is_another(
    connect: Connect, db: Connection, how: str
) -> None:
    """Its name is not that of the first: else it would be refused, or taken for a repeat."""
    with connect() as connection:
        connection.execute("DELETE FROM t")
        connection.commit()  # from here on its requests are known by their baton
        transport = losing(connection)
        connection.execute("INSERT INTO t (a) VALUES ('x')")
        transport.lost = ATTEMPTS_MAX
        with pytest.raises(dbapi.OperationalError, match="lost"):
            end(connection, how)
        connection.rollback()

        connection.execute("INSERT INTO t (a) VALUES ('x')")
        end(connection, how)

    expected = [("x",), ("z",)] if "z" in how else [("x",)]
    assert rows(connect) == expected * 2


def end(connection: Connection, how: str) -> None:
    if how == "commit()":
        connection.commit()
    elif ";" in how:
        connection.executescript(how)
    else:
        connection.execute(how)


def test_a_rollback_asks_nobody(connect: Connect, db: Connection) -> None:
    with connect() as connection:
        transport = losing(connection)
        connection.execute("INSERT INTO t (a) VALUES ('x')")
        connection.rollback()
        connection.executescript("INSERT INTO t (a) VALUES ('y')")
        connection.rollback()
        assert transport.sent == 2

    assert rows(connect) == []


def test_a_commit_that_is_asked_for_again_is_applied_once(connect: Connect, db: Connection) -> None:
    with connect() as connection:
        transport = losing(connection)
        connection.execute("INSERT INTO t (a) VALUES ('x')")
        transport.lost = ATTEMPTS_MAX
        with pytest.raises(dbapi.OperationalError, match="lost"):
            connection.commit()

        connection.commit()

    assert rows(connect) == [("x",)]


def test_foreign_keys_stay_off_on_a_connection_that_lost_an_answer(
    connect: Connect, db: Connection
) -> None:
    with connect(autocommit=True) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        transport = losing(connection)
        transport.lost = ATTEMPTS_MAX
        with pytest.raises(dbapi.OperationalError, match="lost"):
            connection.execute("INSERT INTO t (a) VALUES ('x')")

        assert connection.execute("PRAGMA foreign_keys").fetchall() == [(0,)]


WRITES = [
    "/* why */ UPDATE t SET b = 1",
    "-- why\n\tupdate t set b = 1",
    ";\ufeff /**/ UPDATE t SET b = 1",
    "WITH one AS (SELECT 1) UPDATE t SET b = 1",
    "UPDATE t SET b = 1",
]


@pytest.mark.parametrize("sql", WRITES)
def test_the_rows_that_a_write_changed_are_counted_behind_a_comment_too(
    db: Connection, sql: str
) -> None:
    assert db.execute(sql).rowcount == 0
    db.execute("INSERT INTO t (a) VALUES ('x'), ('y')")

    assert db.execute(sql).rowcount == 2
    assert db.execute("/* INSERT */ SELECT 1").rowcount == -1


def test_the_first_word_of_many_comments_is_found_in_no_time() -> None:
    assert word_of("/* a */ -- b\n" * 100_000 + "x") == "X"
    assert word_of("/*" * 100_000) == ""


FORKS = """
import os, sys
from sqlatch import dbapi
from sqlatch.dbapi import ProgrammingError

connection = dbapi.connect(sys.argv[1], token=sys.argv[2] or None, autocommit=True)
connection.execute("INSERT INTO t (a) VALUES ('before')")
here, there = os.pipe()
child = os.fork() == 0
for number in range(5):
    connection.execute("INSERT INTO t (a) VALUES ('again')")
    ((process,),) = connection.execute("SELECT ?", (os.getpid(),)).fetchall()
    assert process == os.getpid(), (process, os.getpid())
if child:
    os._exit(0)
assert os.wait()[1] == 0
connection.autocommit = False
connection.execute("INSERT INTO t (a) VALUES ('in a transaction')")
if os.fork() == 0:
    for use in (connection.commit, lambda: connection.execute("SELECT 1")):
        try:
            use()
        except ProgrammingError as error:
            assert "before fork()" in str(error)
        else:
            os._exit(1)
    connection.rollback()
    connection.execute("INSERT INTO t (a) VALUES ('in the child')")
    connection.commit()
    os._exit(0)
assert os.wait()[1] == 0
connection.rollback()
connection.execute("INSERT INTO t (a) VALUES ('in the parent')")
connection.commit()
"""


def test_two_processes_go_on_with_a_connection_from_before_fork(
    db: Connection, connect: Connect, url: str, credentials: dict[str, str]
) -> None:
    subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKS, url, credentials.get("token", "")],
        cwd=ROOT,
        check=True,
        timeout=60,
    )

    expected = [("before",), *[("again",)] * 10, ("in the child",), ("in the parent",)]
    assert rows(connect) == expected


def test_what_follows_an_interrupted_statement_is_not_taken_for_its_repeat(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C, or a task that is cancelled, while the answer is on its way."""
    db.autocommit = True
    db.execute("CREATE TABLE interrupted (n)")
    assert db._client is not None
    transport: Any = db._client.transport
    invoke = transport.invoke

    def interrupted(event: Any, *, timeout_s: float) -> Any:
        invoke(event, timeout_s=timeout_s)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transport, "invoke", interrupted)
        with pytest.raises(KeyboardInterrupt):
            db.execute("INSERT INTO interrupted VALUES (1)")
    db.execute("INSERT INTO interrupted VALUES (1)")

    assert db.execute("SELECT count(*) FROM interrupted").fetchall() == [(2,)]
