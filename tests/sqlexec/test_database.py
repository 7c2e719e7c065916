"""One database: what a request visits, and how often."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel import nfs
from sqlexec.database import Database
from sqlexec.databases import Databases
from sqlexec.statement import Encoder, GrantNeeded, Job, Kind, Limits, Statement
from storage.inplace.engine import InPlace
from storage.inplace.files import Files
from tests.grants import granted

JOURNAL = "main.db-journal"
ENCODER = Encoder(rows=lambda _columns, rows: (rows, len(rows)), reply=lambda _results: "")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Databases(InPlace(tmp_path), now=time.time, may_create=True)) as databases:
        database = databases.get("main")
        database.write(job("CREATE TABLE t (n)"), granted())
        read(database, "SELECT 1")
        yield database


@pytest.fixture
def visits(database: Database, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the journals that were looked for."""
    visits: list[str] = []
    has_journal = nfs.has_journal

    def noting(journal: str) -> bool:
        visits.append(Path(journal).name)
        return has_journal(journal)

    monkeypatch.setattr(nfs, "has_journal", noting)
    return visits


def job(*texts: str) -> Job:
    limits = Limits(rows_max=10, bytes_max=1_000, timeout_s=600)
    return Job(tuple(map(Statement, texts)), limits, ENCODER)


def read(database: Database, *texts: str) -> list[Any]:
    results = database.read(job(*texts), time.time() + 600).results
    return [result.rows for result in results]


@pytest.mark.parametrize("texts", [("SELECT 2",), ("SELECT 2", "SELECT n FROM t")])
def test_a_read_looks_for_the_journal_once_whether_its_texts_are_known_or_not(
    texts: tuple[str, ...], database: Database, visits: list[str]
) -> None:
    first = read(database, *texts)
    assert visits == [JOURNAL]

    assert read(database, *texts) == first
    assert visits == [JOURNAL, JOURNAL]


@pytest.mark.parametrize("texts", [("INSERT INTO t VALUES (1)",), ("SELECT 2", "DELETE FROM t")])
def test_a_read_refuses_what_writes_and_visits_the_file_for_unknown_texts_only(
    texts: tuple[str, ...], database: Database, visits: list[str]
) -> None:
    with pytest.raises(GrantNeeded) as refused:
        read(database, *texts)
    assert refused.value.kind is Kind.WRITE
    assert visits == [JOURNAL]

    with pytest.raises(GrantNeeded):
        read(database, *texts)
    assert visits == [JOURNAL]
    assert read(database, "SELECT count(*) FROM t") == [[(0,)]]


def test_a_read_refuses_what_turns_out_to_write_and_remembers_it(database: Database) -> None:
    with pytest.raises(GrantNeeded):
        read(database, "REINDEX")

    assert database._plans.kind([Statement("REINDEX")]) is Kind.WRITE


def test_a_grant_is_checked_before_each_commit(database: Database) -> None:
    class Refused(Exception):
        pass

    def refuse() -> None:
        raise Refused

    ended = granted(refuse, fence=2)

    for write in (
        lambda: database.write(job("INSERT INTO t VALUES (1)"), ended),
        lambda: database.write_each([job("INSERT INTO t VALUES (1)")], ended),
        lambda: database.vacuum("VACUUM", ended),
        lambda: database.purge_records(time.time(), ended),
    ):
        with pytest.raises(Refused):
            write()
    assert read(database, "SELECT count(*) FROM t") == [[(0,)]]


def test_a_recovery_opens_directory_and_journal(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(Files, "open_directory", lambda _self: opened.append("directory"))
    monkeypatch.setattr(Files, "open_journal", lambda _self, name: opened.append(name))
    insert = job("INSERT INTO t VALUES (1)")

    database.write(insert, granted())
    assert opened == []

    database.recover(granted(fence=2))
    assert opened[:2] == ["directory", "main"]
