"""A dump makes the same database again: by SQLite, and by the service."""

import random
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from sqlatch.command import rows
from sqlatch.command.rows import literal
from tests.command.conftest import Sqlatch
from tests.command.databases import KINDS, generated, whole


@pytest.fixture
def file(url: str, databases: Path) -> Path:
    """The file of the test's database, which is not there yet."""
    return databases / f"{url.rpartition('/')[2]}.db"


@pytest.fixture
def by_the_service(sqlatch: Sqlatch, url: str, file: Path) -> Callable[[str], dict[str, Any]]:
    """Have the service make a database of a dump; return all that is in it."""

    def again(script: str) -> dict[str, Any]:
        ended = sqlatch("query", "-u", f"{url}-again", "-", given=script)
        assert ended.code == 0, ended.err
        with closing(apsw.Connection(str(file.with_stem(f"{file.stem}-again")))) as there:
            return whole(there)

    return again


def made(file: Path, script: str) -> dict[str, Any]:
    """Make a database by a script of SQLite's; return all that is in it."""
    with closing(apsw.Connection(str(file))) as connection:
        connection.execute(script)
        return whole(connection)


def again(script: str) -> dict[str, Any]:
    """All that is in the database that SQLite makes of a dump."""
    with closing(apsw.Connection(":memory:")) as connection:
        connection.execute(script)
        return whole(connection)


@pytest.mark.parametrize("page_rows", [2, rows.PAGE_ROWS_FIRST])
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_object_comes_back_as_it_was(
    sqlatch: Sqlatch,
    file: Path,
    by_the_service: Callable[[str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    name: str,
    page_rows: int,
) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS_FIRST", page_rows)
    before = made(file, KINDS[name])

    assert again(sqlatch("dump").out) == before
    if name != "utf-16":  # The service makes databases in UTF-8.
        assert by_the_service(sqlatch("dump", "--bare").out) == before


@pytest.mark.parametrize("seed", range(25))
def test_generated_databases_come_back_as_they_were(
    sqlatch: Sqlatch,
    file: Path,
    by_the_service: Callable[[str], dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    *,
    seed: int,
) -> None:
    monkeypatch.setattr(rows, "PAGE_ROWS_FIRST", 3)
    before = made(file, generated(random.Random(seed)))

    assert again(sqlatch("dump").out) == before
    assert by_the_service(sqlatch("dump", "--bare").out) == before


def test_a_full_text_index_without_texts_is_refused_and_may_be_left_out(
    sqlatch: Sqlatch, file: Path
) -> None:
    made(
        file,
        "CREATE TABLE t (n); INSERT INTO t VALUES (1);"
        "CREATE VIRTUAL TABLE f USING fts5(a, content=''); INSERT INTO f VALUES ('gone')",
    )

    refused = sqlatch("dump")
    without = sqlatch("dump", "--except", "f")

    assert (refused.code, refused.out) == (3, "")
    assert "keeps no texts" in refused.err
    assert "--except 'f'" in refused.err
    assert [name for _, name, _, _ in again(without.out)["schema"]] == ["t"]


def test_reals_are_the_same_to_an_older_sqlite() -> None:
    chance = random.Random(3)
    reals = [5e-324, -0.0, 1.7976931348623157e308, 0.1, 1e22, 1e23, 123456789.125]
    for _ in range(20_000):
        (bits,) = struct.unpack("<d", chance.randbytes(8))
        decimal = float(f"{chance.randrange(10**16)}e{chance.randrange(-40, 40)}")
        reals += [one for one in (bits, decimal, round(decimal, 3)) if abs(one) < float("inf")]

    with closing(sqlite3.connect(":memory:")) as old, closing(apsw.Connection(":memory:")) as new:
        for real in reals:
            sql = f"SELECT {literal(real)}"
            for connection in (old, new):
                ((value,),) = connection.execute(sql)
                assert struct.pack("<d", value) == struct.pack("<d", real), sql


def test_plain_decimals_stay_readable() -> None:
    assert [literal(one) for one in (1.5, -0.25, 1000.0, 1e300, 0.1 + 0.2)] == [
        "1.5", "-0.25", "1000.0", literal(1e300), "1351079888211149.0/(1<<52)",
    ]  # fmt: skip
