"""`sqlatch export`: every row once, past the limit of a reply, through kills and other writers."""

import base64
import csv
import io
import json
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from sqlatch.client import Client
from sqlatch.command import exporting
from sqlatch.kernel.values import Row
from tests.command.conftest import Sqlatch, serving

ROWS = 1_500
ODD = ["", "it's", 'a"b', "line\nline", "cr\r", "a,b", "é😀", " x ", None]
INTEGERS = [0, -1, 2**63 - 1, -(2**63), None]
REALS = [0.1, -0.5, 1e300, 5e-324, math.inf, -math.inf, 2.0, None]
BLOBS = [b"", b"\0\xff", None]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service whose replies hold little, so that there are many pages."""
    databases = tmp_path_factory.mktemp("databases")
    with serving(databases, SQLATCH_RESULT_BYTES_MAX="30000") as url:
        yield url


@pytest.fixture
def rows(client: Client) -> list[Row]:
    chance = random.Random(7)
    rows: list[Row] = [
        (n, chance.choice(ODD), chance.choice(INTEGERS), chance.choice(REALS), chance.choice(BLOBS))
        for n in range(ROWS)
    ]
    client.batch([
        "CREATE TABLE t (id INTEGER PRIMARY KEY, odd TEXT, big INTEGER, part REAL, raw BLOB,"
        " twice AS (id * 2))",
        "CREATE TABLE other (n)",
    ])  # fmt: skip
    client.load("INSERT INTO t (id, odd, big, part, raw) VALUES (?, ?, ?, ?, ?)", rows)
    return rows


NAMES = ["id", "odd", "big", "part", "raw"]
SQL = "SELECT id, odd, big, part, raw FROM t"


def of_csv(text: str) -> list[Row]:
    """The rows of a file as its convention has them: NULL is nothing, an empty text is quoted."""
    # The reader of this version does not tell the two apart: a mark stands for the text.
    marked = text.replace(',"",', ',"<empty>",').replace(',""\n', ',"<empty>"\n')
    lines = list(csv.reader(io.StringIO(marked, newline="")))
    assert lines[0] == NAMES
    cells = [
        [None if cell == "" else cell.replace("<empty>", "") for cell in line] for line in lines
    ]
    return [
        (
            int(number or ""),
            odd,
            None if big is None else int(big),
            None if part is None else float(part),
            None if raw is None else base64.b64decode(raw),
        )
        for number, odd, big, part, raw in cells[1:]
    ]


def of_lines(text: str) -> list[Row]:
    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return base64.b64decode(value["base64"]) if "base64" in value else float(value["real"])
        return value

    return [tuple(map(plain, json.loads(line).values())) for line in text.splitlines()]


def read(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        columns = pyarrow.parquet.read_table(path).to_pydict()
        assert list(columns) == NAMES
        return list(zip(*columns.values(), strict=True))
    with path.open(newline="", encoding="utf-8") as file:
        return (of_csv if path.suffix == ".csv" else of_lines)(file.read())


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("what", ["T", f"{SQL} ORDER BY id"])
def test_every_value_of_every_row_comes_out_as_it_is(
    suffix: str, what: str, sqlatch: Sqlatch, rows: list[Row], tmp_path: Path
) -> None:
    file = tmp_path / f"out.{suffix}"

    ended = sqlatch("export", what, "-o", str(file))

    assert (ended.code, ended.err) == (0, f"1,500 rows in {file}\n")
    assert repr(read(file)) == repr(rows)
    assert list(tmp_path.iterdir()) == [file]


def test_rows_go_to_standard_output_and_a_query_has_its_values(rows: list[Row]) -> None:
    sql = f"{SQL} WHERE id < :end ORDER BY id"

    ended = subprocess.run(
        [sys.executable, "-m", "sqlatch", "export", sql, "-p", '{"end": 7}'],
        check=True,
        capture_output=True,
    )

    assert ended.stderr == b"7 rows\n"
    assert repr(of_csv(ended.stdout.decode())) == repr(rows[:7])


def test_a_text_may_stand_for_null_if_no_value_is_it(
    sqlatch: Sqlatch, rows: list[Row], tmp_path: Path
) -> None:
    file = tmp_path / "out.csv"

    assert sqlatch("export", "t", "-o", str(file), "--null", "it's").code == 7
    assert not file.exists()
    assert sqlatch("export", "t", "-o", str(file), "--null", r"\N").code == 0
    with file.open(newline="", encoding="utf-8") as lines:
        assert [line[1] for line in csv.reader(lines)][1:] == [
            r"\N" if row[1] is None else row[1] for row in rows
        ]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("what", ["t", f"{SQL} ORDER BY id"])
def test_an_export_that_was_killed_goes_on_and_writes_each_row_once(
    suffix: str, what: str, sqlatch: Sqlatch, rows: list[Row], tmp_path: Path
) -> None:
    file = tmp_path / f"out.{suffix}"
    begun = tmp_path / f"out.{suffix}{exporting.PART_SUFFIX}"
    journal = tmp_path / f"out.{suffix}{exporting.JOURNAL_SUFFIX}"
    die_behind(2, "export", what, "-o", str(file))
    assert 0 < json.loads(journal.read_text())["rows"] < ROWS
    with begun.open("ab") as torn:
        torn.write(b'7,"half a li')

    assert sqlatch("export", what, "-o", str(file), "--resume").code == 0

    assert repr(read(file)) == repr(rows)
    assert list(tmp_path.iterdir()) == [file]


DIE = """
import os, signal, sys
from sqlatch.command import exporting
from sqlatch.command.main import run

write, left = exporting.Journal.write, int(sys.argv[1])

def die(journal):
    global left
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    write(journal)

exporting.Journal.write = die
run(sys.argv[2:])
"""


def die_behind(pages: int, *arguments: str) -> None:
    """Run a command that is killed when a page is written, before the journal says so."""
    ended = subprocess.run([sys.executable, "-c", DIE, str(pages), *arguments], env=os.environ)
    assert ended.returncode == -signal.SIGKILL


def test_a_table_is_read_while_others_write_and_it_is_said(
    sqlatch: Sqlatch, client: Client, rows: list[Row], tmp_path: Path, writer: "Writer"
) -> None:
    file = tmp_path / "out.jsonl"
    writer.begin(client, "DELETE FROM t WHERE id IN (3, 1400)", "UPDATE other SET n = 1")

    ended = sqlatch("export", "t", "-o", str(file))

    assert ended.code == 0
    assert "the rows are of 2 states" in ended.err
    assert repr(read(file)) == repr([row for row in rows if row[0] != 1400])


def test_a_query_is_of_one_state_or_refused_unless_a_key_is_named(
    sqlatch: Sqlatch, client: Client, rows: list[Row], tmp_path: Path, writer: "Writer"
) -> None:
    file = tmp_path / "out.jsonl"
    writer.begin(client, "INSERT INTO other VALUES (1)")

    ended = sqlatch("export", SQL, "-o", str(file))

    assert (ended.code, file.exists()) == (5, False)
    assert "DATABASE_CHANGED" in ended.err
    assert sqlatch("export", SQL, "-o", str(file), "--resume").code == 5
    writer.begin(client, "INSERT INTO other VALUES (2)")
    assert sqlatch("export", SQL, "-o", str(file), "--key", "id").code == 0
    assert repr(read(file)) == repr(rows)


class Writer:
    """Writes when the second page is asked for."""

    def __init__(self) -> None:
        self.pages = -1
        self.statements: tuple[str, ...] = ()

    def begin(self, client: Client, *statements: str) -> None:
        self.client, self.statements, self.pages = client, statements, 0

    def asked(self) -> None:
        self.pages += 1
        if self.pages == 2:
            self.client.batch(self.statements)


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    writer = Writer()
    page = Client.page

    def paged(client: Client, *arguments: Any, **options: Any) -> Any:
        if writer.statements:
            writer.asked()
        return page(client, *arguments, **options)

    monkeypatch.setattr(Client, "page", paged)
    return writer


@pytest.mark.parametrize(
    ("table", "fill"),
    [
        ("CREATE TABLE k (a TEXT COLLATE NOCASE, b, PRIMARY KEY (a, b)) WITHOUT ROWID",
         "SELECT iif(n % 2, 'a', 'A') || (n / 4), n % 2 FROM i"),
        ("CREATE TABLE k (a, b)", "SELECT n, NULL FROM i"),
        ("CREATE TABLE k (rowid, _rowid_, oid)", "SELECT n % 3, n, NULL FROM i"),
    ],
)  # fmt: skip
def test_a_table_is_read_by_whatever_key_it_has(
    table: str, fill: str, sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"
    numbers = "WITH RECURSIVE i (n) AS (VALUES (0) UNION ALL SELECT n + 1 FROM i WHERE n < 2999)"
    client.batch([table, f"{numbers} INSERT OR IGNORE INTO k {fill}"])

    assert sqlatch("export", "k", "-o", str(file)).code == 0

    assert sorted(read(file), key=repr) == sorted(client.iterate("SELECT * FROM k"), key=repr)
    (count,) = client.query("SELECT count(*) FROM k").rows[0]
    assert count == len(read(file)) >= 1500


def test_columns_that_are_no_key_lose_no_row(
    sqlatch: Sqlatch, client: Client, rows: list[Row], tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"

    same = sqlatch("export", "SELECT id / 2 AS half, * FROM t", "-o", str(file), "--key", "half")
    null = sqlatch("export", SQL, "-o", str(file), "--key", "big", "--key", "id")

    assert (same.code, null.code, file.exists()) == (7, 7, False)
    assert "two rows have the same" in same.err
    assert "a row has no" in null.err
    two = "SELECT id / 2 AS half, id % 2 AS odd FROM t"
    assert sqlatch("export", two, "-o", str(file), "--key", "half", "--key", "odd").code == 0
    assert read(file) == [(n // 2, n % 2) for n in range(ROWS)]


def test_rows_that_fit_into_no_reply_together_are_read_one_by_one(
    sqlatch: Sqlatch, client: Client, rows: list[Row], tmp_path: Path
) -> None:
    file = tmp_path / "out.jsonl"
    sql = "SELECT id, zeroblob(15000) AS b FROM t WHERE id < 4"

    assert sqlatch("export", sql, "-o", str(file), "--key", "id").code == 0

    assert read(file) == [(n, bytes(15000)) for n in range(4)]


def test_parquet_has_one_type_for_a_column_and_names_what_is_another(
    sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    client.batch(["CREATE TABLE m (a)", "INSERT INTO m VALUES (1), (NULL), ('x'), (2.5)"])
    file = tmp_path / "out.parquet"

    mixed = sqlatch("export", "m", "-o", str(file))
    cast = sqlatch("export", "SELECT CAST(a AS TEXT) AS a FROM m", "-o", str(file))

    assert mixed.code == 7
    assert "row 1, column 'a' is 1" in mixed.err
    assert (cast.code, read_column(file)) == (0, ["1", None, "x", "2.5"])


def read_column(file: Path) -> Any:
    return pyarrow.parquet.read_table(file).to_pydict()["a"]


def test_what_cannot_be_exported_is_said(sqlatch: Sqlatch, rows: list[Row], tmp_path: Path) -> None:
    assert "--format" in sqlatch("export", "t", "-o", str(tmp_path / "out.txt")).err
    assert "a file" in sqlatch("export", "t", "--format", "parquet").err
    assert "no such table" in sqlatch("export", "SELECT * FROM none").err
    assert sqlatch("export", "DELETE FROM t").code == 3
    file = str(tmp_path / "out.csv")
    die_behind(2, "export", "t", "-o", file)
    assert "of 't'" in sqlatch("export", "other", "-o", file, "--resume").err
    assert sqlatch("export", "other", "-o", file).code == 0
