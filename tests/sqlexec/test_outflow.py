"""Rows that leave into a file: few at once, all of one state, and a file for each beginning."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import ReadOnly, ResultTooLarge, StatementError
from sqlatch.kernel.values import Row
from sqlexec.database import Database
from sqlexec.databases import Databases
from sqlexec.execute import ROWS_AT_ONCE_MAX
from sqlexec.statement import Limits
from storage.inplace.engine import InPlace
from tests.grants import granted
from tests.sqlexec.conftest import job

LONG = (
    "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 5000)"
    " SELECT n FROM i"
)
LIMITS = Limits(rows_max=3, bytes_max=1_000_000, timeout_s=600)


class Files:
    """The files that were begun: those that were finished, and those that were left."""

    def __init__(self) -> None:
        self.finished: list[File] = []
        self.left: list[File] = []
        self.first_refuses = False

    @contextmanager
    def begin(self) -> Iterator["File"]:
        file = File(refuses=self.first_refuses and not self.left)
        self.left.append(file)
        yield file
        self.left.remove(file)
        self.finished.append(file)


class File:
    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses
        self.heads: list[tuple[str, ...]] = []
        self.adds: list[list[Row]] = []

    def head(self, columns: tuple[str, ...]) -> int:
        self.heads.append(columns)
        return 10

    def add(self, columns: tuple[str, ...], rows: list[Row]) -> int:
        assert (columns, len(rows) > 0) == (self.heads[-1], True)
        self.adds.append(rows)
        if self._refuses:
            raise StatementError("as of an old schema")
        return 10 * len(rows)

    def finish(self) -> Any:
        return "the link"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Databases(InPlace(tmp_path), now=time.time, may_create=True)) as databases:
        database = databases.get("main")
        database.write(job("CREATE TABLE t (n)", "INSERT INTO t VALUES (1), (2)"), granted())
        yield database


def read_into(database: Database, files: Files, sql: str, limits: Limits = LIMITS) -> Any:
    (result,) = database.read_into(job(sql, limits=limits), files.begin, time.time() + 600).results
    return result


def test_the_rows_go_into_the_file_and_the_result_has_its_link(database: Database) -> None:
    files = Files()

    result = read_into(database, files, LONG)

    (file,) = files.finished
    assert [row for rows in file.adds for row in rows] == [(n,) for n in range(1, 5001)]
    assert max(map(len, file.adds)) == ROWS_AT_ONCE_MAX
    assert file.heads == [("n",)]
    assert (result.rows, result.rows_count, result.link) == ([], 5000, "the link")
    assert result.rows_bytes == 10 + 10 * 5000


def test_a_file_without_rows_has_its_head(database: Database) -> None:
    files = Files()

    read_into(database, files, "SELECT n AS m FROM t WHERE n = 0")

    assert [(file.heads, file.adds) for file in files.finished] == [([("m",)], [])]


@pytest.mark.parametrize("sql", ["DELETE FROM t", "REINDEX", "VACUUM"])
def test_what_writes_is_refused_and_writes_no_file(database: Database, sql: str) -> None:
    files = Files()

    for _time in range(2):
        with pytest.raises(ReadOnly, match="leave `link` out"):
            read_into(database, files, sql)

    assert files.finished == []


def test_the_limit_is_of_all_bytes(database: Database) -> None:
    files = Files()

    exact = Limits(rows_max=1, bytes_max=30, timeout_s=600)
    assert read_into(database, files, "SELECT n FROM t", exact).rows_count == 2
    with pytest.raises(ResultTooLarge) as refusal:
        read_into(database, files, "SELECT n FROM t UNION ALL SELECT 3", exact)

    assert (refusal.value.bytes, refusal.value.bytes_max) == (40, 30)
    assert (len(files.finished), len(files.left)) == (1, 1)


def test_a_read_that_is_begun_again_begins_another_file(database: Database) -> None:
    """An error is asked again once by a connection that has not seen the newest schema."""
    files = Files()
    files.first_refuses = True

    read_into(database, files, "SELECT n FROM t")

    assert [file.adds for file in files.finished] == [[[(1,), (2,)]]]
    assert [file.adds for file in files.left] == [[[(1,), (2,)]]]


def test_an_error_leaves_the_file(database: Database) -> None:
    files = Files()

    with pytest.raises(StatementError):
        read_into(database, files, "SELECT json(iif(n = 1, '1', '{')) FROM t")

    assert files.finished == []
    assert files.left
