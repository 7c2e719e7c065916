"""DB-API on results past the limit of one reply: all rows, of one state or in one transaction."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from handler.service import service
from sqlatch.dbapi import Connection, DataError, OperationalError, connect
from tests.conftest import forget

ROWS = 350
SQL = "SELECT n, s FROM t WHERE n > ? ORDER BY n"
WHOLE = [(n, f"text {n}") for n in range(ROWS)]

Connect = Callable[..., Connection]


@pytest.fixture
def connected(
    url: str, credentials: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Connect]:
    """Connect to a service whose replies have 100 rows."""
    monkeypatch.setenv("SQLATCH_ROWS_MAX", "100")
    forget(service)
    opened: list[Connection] = []

    def connected(**options: Any) -> Connection:
        opened.append(connect(url, **credentials, **options))
        return opened[-1]

    with closing(connected(autocommit=True)) as db:
        db.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, s)")
        db.execute("CREATE TABLE other (n)")
        db.cursor().executemany("INSERT INTO t VALUES (?, ?)", WHOLE)
    yield connected
    for db in opened:
        db.close()


@pytest.fixture(params=[True, False], ids=["autocommit", "in a transaction"])
def db(request: pytest.FixtureRequest, connected: Connect) -> Connection:
    return connected(autocommit=request.param)


@pytest.fixture
def other(connected: Connect) -> Connection:
    """Another client, who writes."""
    return connected(autocommit=True)


def test_all_rows_are_fetched_in_any_way(db: Connection) -> None:
    assert db.execute(SQL, (-1,)).fetchall() == WHOLE
    assert list(db.execute(SQL, [9])) == WHOLE[10:]
    assert list(db.execute("SELECT n, s FROM t WHERE n < :end", {"end": 120})) == WHOLE[:120]
    cursor = db.execute(SQL, [-1])
    by_size = iter(lambda: cursor.fetchmany(90), [])
    assert [len(rows) for rows in by_size] == [90, 90, 90, 80]
    cursor = db.cursor()
    cursor.arraysize = 200
    assert [cursor.execute(SQL, [-1]).fetchmany(), cursor.fetchone()] == [WHOLE[:200], WHOLE[200]]
    db.commit()


def test_two_cursors_read_side_by_side(db: Connection) -> None:
    forth, back = db.execute(SQL, [-1]), db.execute("SELECT n FROM t ORDER BY n DESC")

    pairs = list(zip(forth, back, strict=True))

    assert [(one[0], two[0]) for one, two in pairs] == [(n, ROWS - 1 - n) for n in range(ROWS)]


def test_values_that_are_changed_after_they_were_given_are_not_those_of_the_next_page(
    db: Connection,
) -> None:
    values = [-1]
    cursor = db.execute(SQL, values)
    values[0] = 300

    assert cursor.fetchall() == WHOLE


def test_chance_and_time_are_the_same_in_all_pages(db: Connection) -> None:
    shuffled = db.execute("SELECT n FROM t ORDER BY random()").fetchall()

    assert sorted(shuffled) == [(n,) for n in range(ROWS)] != shuffled


def test_outside_a_transaction_a_commit_ends_the_rows(
    connected: Connect, other: Connection
) -> None:
    cursor = connected(autocommit=True).execute(SQL, [-1])
    rows = cursor.fetchmany(100)
    other.execute("INSERT INTO other VALUES (1)")

    with pytest.raises(OperationalError) as changed:
        cursor.fetchone()

    assert changed.value.sqlite_errorname == "DATABASE_CHANGED"
    assert rows == WHOLE[:100]


def test_a_transaction_goes_on_where_others_changed_what_it_has_not_read(
    connected: Connect, other: Connection
) -> None:
    db = connected()
    cursor = db.execute(SQL, [-1])
    rows = cursor.fetchmany(150)
    other.execute("INSERT INTO other VALUES (1)")

    rows += cursor.fetchmany(100)
    other.execute("DELETE FROM other")
    rows += cursor.fetchall()
    db.execute("INSERT INTO other SELECT count(*) FROM t")
    db.commit()

    assert rows == WHOLE
    assert other.execute("SELECT n FROM other").fetchall() == [(ROWS,)]


@pytest.mark.parametrize(
    "change", ["DELETE FROM t WHERE n = 7", "UPDATE t SET s = '' WHERE n = 150"]
)
def test_a_row_of_a_page_that_was_read_is_not_lost_to_others(
    change: str, connected: Connect, other: Connection
) -> None:
    db = connected()
    cursor = db.execute(SQL, [-1])
    cursor.fetchmany(199)
    other.execute(change)

    with pytest.raises(OperationalError) as busy:
        cursor.fetchall()
    assert busy.value.sqlite_errorname == "SQLITE_BUSY"
    db.rollback()

    cursor = db.execute(SQL, [-1])
    assert len(cursor.fetchall()) in (ROWS - 1, ROWS)
    other.execute("UPDATE t SET s = 'other' WHERE n = 349")
    with pytest.raises(OperationalError):
        db.execute("UPDATE t SET s = 'mine' WHERE n = 349")
    assert other.execute("SELECT s FROM t WHERE n = 349").fetchall() == [("other",)]


def test_a_transaction_reads_pages_of_what_it_has_written(connected: Connect) -> None:
    db = connected()
    db.execute("DELETE FROM t WHERE n % 2")
    db.execute("SAVEPOINT a")
    db.execute("DELETE FROM t WHERE n > 10")
    db.execute("ROLLBACK TO a")

    cursor = db.execute(SQL, [-1])
    rows = cursor.fetchmany(120)
    db.execute("INSERT INTO other VALUES (1)")
    rows += cursor.fetchall()

    assert rows == WHOLE[::2]
    db.commit()
    assert db.execute(SQL, [-1]).fetchall() == WHOLE[::2]


def test_rows_of_a_transaction_are_fetched_within_it(connected: Connect) -> None:
    db = connected()
    first, second = db.execute(SQL, [-1]), db.execute("SELECT 1")
    first.fetchmany(10)
    db.commit()

    assert second.fetchall() == [(1,)]
    assert first.fetchmany(90) == WHOLE[10:100]
    with pytest.raises(OperationalError, match="has ended"):
        first.fetchone()
    again = db.execute(SQL, [-1])
    db.rollback()
    db.execute("SELECT 1")
    with pytest.raises(OperationalError, match="has ended"):
        again.fetchall()


def test_rows_of_a_write_come_with_its_answer_or_it_is_refused(connected: Connect) -> None:
    db = connected(autocommit=True)
    few = db.execute("INSERT INTO other SELECT n FROM t WHERE n < 100 RETURNING n").fetchall()

    with pytest.raises(DataError) as refused:
        db.execute("INSERT INTO other SELECT n FROM t RETURNING n")

    assert refused.value.sqlite_errorname == "RESPONSE_TOO_LARGE"
    assert (len(few), db.execute("SELECT count(*) FROM other").fetchone()) == (100, (100,))


def test_a_transaction_that_only_reads_does_not_read_its_pages_again(
    connected: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has been committed since, so all that it has read is as it was."""
    from hrana.transaction import Replay

    again: list[str] = []
    run = Replay._again
    monkeypatch.setattr(
        Replay,
        "_again",
        lambda self, live, at, entry: again.append(entry.sql) or run(self, live, at, entry),
    )
    db = connected()

    db.execute("PRAGMA defer_foreign_keys = ON")
    assert db.execute(SQL, [-1]).fetchall() == WHOLE
    assert set(again) == {"PRAGMA defer_foreign_keys = ON"}
    assert db.execute("PRAGMA defer_foreign_keys").fetchall() == [(1,)]
