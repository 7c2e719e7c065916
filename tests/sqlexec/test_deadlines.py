"""A statement ends at its deadline where SQLite does not ask for it in time."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import Timeout
from sqlexec.idempotency import TABLE
from storage.connection import Session
from storage.inplace.files import Files
from storage.inplace.store import Store
from tests.grants import granted

ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
LEFT_S = 0.1
CALLS_MAX = 40
"""In the 1,000 opcodes between two calls of the progress handler there are some 80."""


@pytest.fixture
def session() -> Iterator[Session]:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_MEMORY
    ends_at_s = time.time() + 60
    with closing(
        Session("main", ":memory:", flags=flags, now=time.time, deadline_s=ends_at_s)
    ) as made:
        yield made


def test_a_statement_is_interrupted_between_two_looks_of_sqlite(session: Session) -> None:
    calls = count(1)
    session.connection.create_scalar_function("seen", lambda *_value: next(calls), 1)
    session.deadline_s = time.time() + LEFT_S

    with pytest.raises(Timeout), session.user() as cursor:
        cursor.execute(
            f"{ENDLESS} SELECT sum(seen(quote(zeroblob(4000000 + i)))) FROM n"
        ).fetchall()

    assert next(calls) < CALLS_MAX


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_what_ends_a_transaction_is_not_stopped_by_a_deadline(session: Session, end: str) -> None:
    """SQLite counts the opcodes of a statement it knows on, so one in 333 asked for the time."""
    for _each in range(1_000):
        session.deadline_s = time.time() + 60
        session.run("BEGIN")
        session.deadline_s = 0

        session.finish(end)

        assert not session.connection.in_transaction


def test_a_statement_behind_the_deadline_is_not_begun(session: Session) -> None:
    session.deadline_s = time.time() - 1

    with pytest.raises(Timeout), session.user() as cursor:
        cursor.execute("SELECT 1")


def test_a_commit_during_which_the_deadline_passes_is_acknowledged(tmp_path: Path) -> None:
    store = Store("main", Files(tmp_path), table=TABLE, now=time.time)
    with closing(store):
        grant = granted(deadline_s=time.time() + 60)
        with store.write(grant, creates=True) as transaction:
            session = transaction.connection

        def check() -> None:
            session.deadline_s = 0

        late = replace(grant, check=check)

        for _each in range(400):
            with store.write(late) as transaction:
                session.run("CREATE TABLE IF NOT EXISTS t (n)")
                transaction.commit()
