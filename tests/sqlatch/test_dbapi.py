"""DB-API 2.0 over both transports: transactions, values, errors."""

import datetime
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from typing import Any

import pytest

from sqlatch import dbapi
from sqlatch.attempts import ATTEMPTS_MAX
from sqlatch.dbapi import Connection
from sqlatch.dbapi import connection as connection_module
from tests.sqlatch.losing import losing

ALSO_OVER_A_REPLICA = True
Connect = Callable[..., AbstractContextManager[Connection]]


@pytest.fixture
def connect(url: str, credentials: dict[str, Any]) -> Connect:
    """Makes connections."""
    return lambda **more: closing(dbapi.connect(url, **credentials, **more))


@pytest.fixture
def db(connect: Connect) -> Iterator[Connection]:
    with connect() as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b)")
        connection.commit()
        yield connection


def rows(connect: Connect, sql: str = "SELECT a FROM t") -> list[Any]:
    with connect() as another:
        return another.execute(sql).fetchall()


def test_what_is_committed_is_there_for_others_and_no_sooner(
    db: Connection, connect: Connect
) -> None:
    db.execute("INSERT INTO t (a) VALUES (?)", ("x",))
    assert rows(connect) == []
    assert db.execute("SELECT a FROM t").fetchall() == [("x",)]
    db.commit()

    assert rows(connect) == [("x",)]


def test_what_is_rolled_back_or_dropped_is_not_there(db: Connection, connect: Connect) -> None:
    db.execute("INSERT INTO t (a) VALUES ('x')")
    db.rollback()
    assert db.execute("SELECT a FROM t").fetchall() == []
    db.execute("INSERT INTO t (a) VALUES ('y')")
    db.close()

    assert rows(connect) == []


def test_an_update_that_would_be_lost_raises_and_wins_when_it_is_run_again(
    db: Connection, connect: Connect
) -> None:
    db.execute("INSERT INTO t (b) VALUES (0)")
    db.commit()

    def read_and_add(connection: Connection, meanwhile: Callable[[], None] | None = None) -> None:
        ((number,),) = connection.execute("SELECT b FROM t").fetchall()
        if meanwhile is not None:
            meanwhile()
        connection.execute("UPDATE t SET b = ?", (number + 1,))
        connection.commit()

    with connect() as other:
        with pytest.raises(dbapi.OperationalError) as raised:
            read_and_add(db, lambda: read_and_add(other))
        assert raised.value.sqlite_errorname == "SQLITE_BUSY"
        db.rollback()
        read_and_add(db)

    assert rows(connect, "SELECT b FROM t") == [(2,)]


def test_values_come_back_as_they_were_sent(db: Connection) -> None:
    values = (None, 2**62, -1, 0.5, "né", b"\x00\xff", True)
    (row,) = db.execute("SELECT ?, ?, ?, ?, ?, ?, ?", values).fetchall()
    assert row == (*values[:-1], 1)
    at = datetime.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001
    (row,) = db.execute("SELECT :a, :b", {"a": at, "b": at.date()}).fetchall()
    assert row == ("2026-01-02 03:04:05", "2026-01-02")
    for value in (2**63, float("nan"), float("inf"), "\ud800", object()):
        with pytest.raises((dbapi.DataError, dbapi.ProgrammingError)):
            db.execute("SELECT ?", (value,))


def test_a_cursor_says_what_a_statement_gave(db: Connection) -> None:
    cursor = db.cursor()
    cursor.execute("INSERT INTO t (a) VALUES ('x'), ('y')")
    assert (cursor.rowcount, cursor.lastrowid, cursor.description) == (2, 2, None)
    cursor.execute("SELECT id, a FROM t ORDER BY id")
    assert cursor.description is not None
    assert [column[0] for column in cursor.description] == ["id", "a"]
    assert cursor.description[0][1] == dbapi.NUMBER
    assert cursor.description[1][1] == dbapi.STRING
    assert cursor.rowcount == -1
    assert cursor.fetchone() == (1, "x")
    assert cursor.fetchmany(5) == [(2, "y")]
    assert (cursor.fetchone(), cursor.fetchall()) == (None, [])
    cursor.execute("UPDATE t SET b = 1 RETURNING id")
    assert (cursor.rowcount, list(cursor)) == (2, [(1,), (2,)])


def test_many_rows_are_one_request_and_one_entry(db: Connection, connect: Connect) -> None:
    cursor = db.cursor().executemany(
        "INSERT INTO t (a, b) VALUES (?, ?)", ((str(n), n) for n in range(5_000))
    )
    assert cursor.rowcount == 5_000
    assert rows(connect) == []
    db.commit()
    assert rows(connect, "SELECT count(*), sum(b) FROM t") == [(5_000, 12_497_500)]
    with pytest.raises(dbapi.ProgrammingError):
        cursor.executemany("SELECT ?", [(1,)])


def test_many_rows_are_cut_by_the_bytes_that_travel(db: Connection, connect: Connect) -> None:
    db.autocommit = True
    transport = losing(db)
    # 100,000 characters are 600,000 bytes as JSON, and 700,000 in an event over HTTP.
    rows_given = [(str(number), "\x01" * 100_000) for number in range(12)]

    changed = db.cursor().executemany("INSERT INTO t (a, b) VALUES (?, ?)", rows_given).rowcount

    assert changed == 12
    assert transport.sent == 3
    assert rows(connect, "SELECT count(*), sum(length(b)) FROM t") == [(12, 1_200_000)]


def test_with_autocommit_each_statement_is_a_transaction(connect: Connect, db: Connection) -> None:
    db.autocommit = True
    db.execute("INSERT INTO t (a) VALUES ('x')")
    assert not db.in_transaction
    assert rows(connect) == [("x",)]


def test_a_block_commits_or_rolls_back(db: Connection, connect: Connect) -> None:
    with db:
        db.execute("INSERT INTO t (a) VALUES ('x')")
    with pytest.raises(dbapi.IntegrityError), db:
        db.execute("INSERT INTO t (id, a) VALUES (2, 'y'), (1, 'z')")

    assert rows(connect) == [("x",)]


@pytest.mark.parametrize(
    ("sql", "parameters", "kind"),
    [
        ("SELECT * FROM nothing", (), dbapi.OperationalError),
        ("SELEC", (), dbapi.OperationalError),
        ("INSERT INTO t (id) VALUES (1), (1)", (), dbapi.IntegrityError),
        ("SELECT ?", (), dbapi.ProgrammingError),
        ("SELECT 1", (1,), dbapi.ProgrammingError),
        ("SELECT 1; SELECT 2", (), dbapi.ProgrammingError),
        ("ATTACH 'x' AS y", (), dbapi.NotSupportedError),
        ("SELECT 1", "x", dbapi.ProgrammingError),
    ],
)
def test_a_refusal_is_the_exception_that_it_should_be(
    db: Connection, sql: str, parameters: object, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        db.execute(sql, parameters)  # type: ignore[arg-type]
    db.rollback()
    assert db.execute("SELECT 1").fetchall() == [(1,)]


def test_what_is_closed_cannot_be_used(db: Connection) -> None:
    cursor = db.cursor()
    cursor.close()
    for use in (cursor.fetchone, lambda: cursor.execute("SELECT 1")):
        with pytest.raises(dbapi.ProgrammingError):
            use()
    db.close()
    for use in (db.commit, db.rollback, db.cursor):
        with pytest.raises(dbapi.ProgrammingError):
            use()
    db.close()


def test_a_service_that_is_not_there_is_an_operational_error() -> None:
    with closing(dbapi.connect("http://localhost:1/main", timeout_s=1)) as connection:
        with pytest.raises(dbapi.OperationalError) as raised:
            connection.execute("SELECT 1")
        assert raised.value.sqlite_errorname == "UNREACHABLE"
    with pytest.raises(dbapi.OperationalError):
        dbapi.connect("nonsense")


@pytest.mark.parametrize("autocommit", [True, False])
def test_an_answer_that_is_lost_now_and_then_is_no_second_write(
    connect: Connect, db: Connection, *, autocommit: bool
) -> None:
    with connect(autocommit=autocommit) as connection:
        transport = losing(connection)
        for name in "xyz":
            transport.lost = 2
            connection.execute("INSERT INTO t (a) VALUES (?)", (name,))
            transport.lost = 2
            connection.commit()

    assert rows(connect) == [("x",), ("y",), ("z",)]


def test_a_write_whose_answer_never_came_is_not_in_the_way_of_the_next(
    connect: Connect, db: Connection
) -> None:
    with connect(autocommit=True) as connection:
        connection.execute("INSERT INTO t (a) VALUES ('before')")
        transport = losing(connection)
        transport.lost = ATTEMPTS_MAX
        with pytest.raises(dbapi.OperationalError, match="lost"):
            connection.execute("INSERT INTO t (a) VALUES ('perhaps')")

        connection.execute("INSERT INTO t (a) VALUES ('behind')")

    assert rows(connect) == [("before",), ("perhaps",), ("behind",)]


def test_a_script_is_one_request_and_ends_at_its_first_error(
    db: Connection, connect: Connect
) -> None:
    with pytest.raises(dbapi.OperationalError, match="no such table: nowhere"):
        db.executescript(
            "INSERT INTO t (a) VALUES ('x; y'); INSERT INTO nowhere VALUES (1);"
            " INSERT INTO t (a) VALUES ('never')"
        )
    db.commit()
    assert rows(connect) == [("x; y",)]

    db.executescript("INSERT INTO t (a) VALUES ('gone')")
    db.rollback()

    assert rows(connect) == [("x; y",)]


def test_what_came_after_a_mark_can_be_forgotten(db: Connection, connect: Connect) -> None:
    before = db.mark()
    db.execute("INSERT INTO t (a) VALUES ('kept')")
    mark = db.mark()
    db.execute("INSERT INTO t (a) VALUES ('forgotten')")
    db.go_back(mark)
    db.execute("INSERT INTO t (a) VALUES ('behind')")
    db.commit()
    assert rows(connect) == [("kept",), ("behind",)]

    db.execute("DELETE FROM t")
    db.go_back(before)

    assert not db.in_transaction
    assert rows(connect) == [("kept",), ("behind",)]


def test_a_mark_that_is_gone_back_to_does_not_grow_old(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.execute("INSERT INTO t (a) VALUES ('kept')")
    mark = db.mark()
    monkeypatch.setattr(connection_module, "MARK_S_MAX", 0.0)
    db.go_back(mark)

    assert db.mark().baton != mark.baton
    assert db.execute("SELECT a FROM t").fetchall() == [("kept",)]
