"""One connection: its settings and limits, whose SQL runs on it, and until when."""

import time
from itertools import count
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, ForbiddenStatement, Timeout
from storage.connection import Session
from storage.policy import LIMITS, firing_nothing


def test_a_connection_that_fails_while_it_is_set_up_is_closed_at_once(tmp_path: Path) -> None:
    (tmp_path / "main.db").write_bytes(b"no database" * 1000)
    open_before = set(apsw.connections())

    with pytest.raises(DatabaseCorrupt) as refusal:
        Session(
            "main",
            tmp_path / "main.db",
            flags=apsw.SQLITE_OPEN_READWRITE,
            now=time.time,
            deadline_s=time.time() + 1,
        )

    assert refusal.tb is not None
    assert set(apsw.connections()) == open_before


SETTINGS = {
    "foreign_keys": 1,
    "temp_store": 2,
    "mmap_size": None,
    "cache_spill": 0,
    "cache_size": -8000,
    "synchronous": 2,
}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_connection_has_the_settings_of_the_house(session: Session, name: str) -> None:
    found = session.run(f"PRAGMA {name}")

    assert found == ([] if SETTINGS[name] is None else [(SETTINGS[name],)])


def test_what_a_schema_calls_is_not_trusted_and_its_tables_are_defended(session: Session) -> None:
    assert session.connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1) == 0
    assert session.connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, -1) == 1


def test_values_and_texts_have_limits(session: Session) -> None:
    for limit, value in LIMITS.items():
        assert session.connection.limit(limit, -1) == value


def test_a_statement_of_a_user_is_not_found_prepared_by_us(session: Session) -> None:
    session.run("CREATE TABLE sqlatch_own (n)")
    session.run("SELECT n FROM sqlatch_own")

    with pytest.raises(ForbiddenStatement), session.user() as cursor:
        cursor.execute("SELECT n FROM sqlatch_own")


def test_nothing_fires_where_nothing_is_to_and_afterwards_it_does(session: Session) -> None:
    session.run("CREATE TABLE t (n)")
    session.run("CREATE TABLE log (n)")
    session.run("CREATE TRIGGER x AFTER INSERT ON t BEGIN INSERT INTO log VALUES (new.n); END")

    with firing_nothing(session.connection):
        session.run("INSERT INTO t VALUES (1)")
    session.run("INSERT INTO t VALUES (2)")

    assert session.run("SELECT n FROM log") == [(2,)]


def test_a_schema_has_changed_once_for_each_change(session: Session) -> None:
    assert session.schema_has_changed()
    assert not session.schema_has_changed()

    session.run("CREATE TABLE t (n)")

    assert session.schema_has_changed()
    assert not session.schema_has_changed()


def test_past_the_deadline_nothing_of_a_user_is_begun_and_what_is_open_can_end(
    session: Session,
) -> None:
    session.run("CREATE TABLE t (n)")
    session.run("BEGIN")
    session.run("INSERT INTO t VALUES (1)")
    session.deadline_s = 0

    with pytest.raises(Timeout), session.user():
        raise AssertionError("was begun")
    session.finish("COMMIT")

    assert session.connection.in_transaction is False


def test_a_lock_of_another_is_waited_for_until_the_deadline(tmp_path: Path) -> None:
    other = apsw.Connection(str(tmp_path / "main.db"))
    other.execute("CREATE TABLE t (n); BEGIN IMMEDIATE")
    times = count()
    session = Session(
        "main",
        tmp_path / "main.db",
        flags=apsw.SQLITE_OPEN_READWRITE,
        now=lambda: next(times) / 100,
        deadline_s=1.0,
    )

    with pytest.raises(DatabaseBusy, match="until the deadline"):
        session.run("BEGIN IMMEDIATE")

    assert next(times) > 100, "it asked until then"
    other.execute("ROLLBACK")
    other.close()
    session.close()
