"""`sqlatch load`: from pipes, packed files, TSV and Parquet; the delimiter that is seen."""

import bz2
import gzip
import lzma
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pexpect
import pyarrow
import pytest
from pyarrow import parquet

from sqlatch.client import Client
from sqlatch.command import loading
from sqlatch.command.journal import Done, Journal
from tests.command.conftest import ROOT, Sqlatch

CSV = b"id,name\n1,a\n2,b\n"
ROWS = [(1, "a"), (2, "b")]


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory in which pipes are kept."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(directory))
    return directory


def rows(client: Client, table: str = "t") -> list[Any]:
    return client.query(f"SELECT * FROM {table}").rows


def test_standard_input_is_loaded_and_nothing_of_it_is_left(
    sqlatch: Sqlatch, client: Client, temporary: Path
) -> None:
    ended = sqlatch("load", "--create", "--table", "t", "-", given=CSV)

    assert (ended.code, ended.out) == (0, "2 rows loaded\n")
    assert "standard input: 2 columns, separated by commas\n" in ended.err
    assert rows(client) == ROWS
    assert list(temporary.iterdir()) == []


def test_the_form_of_standard_input_is_seen(sqlatch: Sqlatch, client: Client) -> None:
    sqlatch("load", "--create", "--table", "j", "-", given='\n{"id": 1, "name": "a"}\n')
    sqlatch("load", "--create", "--table", "z", "-", given=gzip.compress(CSV))
    sqlatch("load", "--create", "--table", "p", "-", given=parquet_bytes({"id": [1, 2]}))

    assert rows(client, "j") == ROWS[:1]
    assert rows(client, "z") == ROWS
    assert rows(client, "p") == [(1,), (2,)]


def test_a_named_pipe_is_read_once(sqlatch: Sqlatch, client: Client, temporary: Path) -> None:
    pipe = temporary.with_name("t.csv")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[CSV])
    writer.start()

    ended = sqlatch("load", "--create", "--table", "t", str(pipe))

    writer.join()
    assert ended.code == 0
    assert rows(client) == ROWS


def test_a_pipe_names_no_table(sqlatch: Sqlatch, client: Client) -> None:
    ended = sqlatch("load", "--create", "-", given=CSV)

    assert ended.code == 2
    assert "standard input is a pipe, which names no table: give --table" in ended.err


def test_a_bad_line_of_a_pipe_is_named_and_nothing_is_loaded_or_left(
    sqlatch: Sqlatch, client: Client, temporary: Path
) -> None:
    client.execute("CREATE TABLE t (id INTEGER, name)")

    ended = sqlatch("load", "--table", "t", "-", given=CSV + b"x,c\n")

    assert ended.code == 7
    assert "standard input: line 4: column 'id': 'x' is not a valid INTEGER" in ended.err
    assert rows(client) == []
    assert list(temporary.iterdir()) == []


def test_a_load_from_a_pipe_that_stopped_goes_on_from_where_it_is_kept(
    sqlatch: Sqlatch, client: Client, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block was applied, and its answer lost: with the same key it is not applied again."""
    client.execute("CREATE TABLE t (n INTEGER)")
    monkeypatch.setattr(loading, "BLOCK_ROWS", 2)
    acknowledge = Journal.acknowledge

    def killed(self: Journal, url: str, done: Done) -> None:
        if done.rows == 4:
            raise KeyboardInterrupt
        acknowledge(self, url, done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "acknowledge", killed)
        stopped = sqlatch("load", "--table", "t", "-", given="n\n1\n2\n3\n4\n5\n")
    (kept,) = temporary.glob("*/rows.csv")
    resumed = sqlatch("load", "--table", "t", str(kept))

    assert stopped.code == 130
    assert f"to go on, run it with {kept} in the place of -" in stopped.err
    assert kept.parent.stat().st_mode & 0o077 == 0
    assert (resumed.code, resumed.out) == (0, "3 rows loaded, 2 were there\n")
    assert rows(client) == [(1,), (2,), (3,), (4,), (5,)]


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "t.csv.gz": gzip.compress,
    "t.csv.bz2": bz2.compress,
    "t.csv.xz": lzma.compress,
    "t.csv": gzip.compress,
    "t.tsv": lambda text: text.replace(b",", b"\t"),
    "t.tab.gz": lambda text: gzip.compress(text.replace(b",", b"\t")),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_and_tabs(sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(PACKED[name](CSV))

    ended = sqlatch("load", "--create", str(tmp_path / name))

    assert (ended.code, ended.out) == (0, "2 rows loaded\n")
    assert rows(client) == ROWS


def test_a_packed_file_that_is_cut_off_loads_nothing(
    sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    client.execute("CREATE TABLE t (id, name)")
    file = tmp_path / "t.csv.gz"
    file.write_bytes(gzip.compress(CSV + os.urandom(1000).hex().encode() + b",b\n")[:-20])

    ended = sqlatch("load", str(file))

    assert ended.code == 7
    assert "the file cannot be read: Compressed file ended before" in ended.err
    assert rows(client) == []


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python unpacks it itself")
def test_what_python_cannot_unpack_is_refused_with_the_way(
    sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "t.csv.zst"
    file.write_bytes(b"\x28\xb5\x2f\xfd" + CSV)

    ended = sqlatch("load", "--create", str(file))

    assert ended.code == 2
    assert "`zstd -dc FILE | sqlatch load --table NAME -`" in ended.err


SEMICOLONS = "2 columns, separated by semicolons"
SEEN: dict[str, tuple[str, str, list[Any]]] = {
    "semicolons": ("a;b\n1;1,5\n2;2,5\n", SEMICOLONS, [(1, "1,5"), (2, "2,5")]),
    "semicolons, quoted": ('"a;x";b\n"1;2";2\n', SEMICOLONS, [("1;2", 2)]),
    "tabs": ("a\tb\n1,2\t3\n", "2 columns, separated by tabs", [("1,2", 3)]),
    "bars": ("a|b\n1|2\n", "2 columns, separated by vertical bars", [(1, 2)]),
    "a quoted line feed": ('a;b\n"1\n,";2\n', SEMICOLONS, [("1\n,", 2)]),
    "one column": ("a\n1\n", "one column", [(1,)]),
    "texts with commas": ("a;b\nx, y;1\nz;2\n", SEMICOLONS, [("x, y", 1), ("z", 2)]),
}


@pytest.mark.parametrize("name", SEEN)
def test_the_delimiter_is_seen_and_told(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str
) -> None:
    text, told, expected = SEEN[name]
    file = tmp_path / "t.csv"
    file.write_text(text)

    ended = sqlatch("load", "--create", str(file))

    assert ended.err == f"{file}: {told}\n"
    assert rows(client) == expected


UNCLEAR = {
    "two fit": ("a,b;c,d\n1,2;3,4\n", "the columns may be 3 by commas or 2 by semicolons"),
    "a title": ("Report\na;b\n1;2\n", "there is one column, and the rows below it have 2"),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_an_unclear_delimiter_is_asked_for(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str
) -> None:
    text, told = UNCLEAR[name]
    file = tmp_path / "t.csv"
    file.write_text(text)

    refused = sqlatch("load", "--create", str(file))
    given = sqlatch("load", "--create", "--delimiter", ";", str(file))

    assert refused.code == 7
    assert told in refused.err
    assert "give --delimiter" in refused.err
    assert given.code == (0 if name == "two fit" else 7)


def test_a_tab_can_be_named(sqlatch: Sqlatch, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "t.csv"
    file.write_text("a\tb;c\n1\t2;3\n")

    assert sqlatch("load", "--create", "--delimiter", "tab", str(file)).code == 0
    assert rows(client) == [(1, "2;3")]


def parquet_bytes(columns: dict[str, Any]) -> bytes:
    written = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(columns), written)
    return bytes(written.getvalue())


def test_parquet_keeps_its_values(sqlatch: Sqlatch, client: Client, tmp_path: Path) -> None:
    instant = datetime(2013, 1, 1, 5, tzinfo=UTC)
    columns = {
        "i": [1, None], "f": [1.5, float("inf")], "s": ["007", "é"], "b": [True, False],
        "x": [b"\0\xff", None], "c": pyarrow.array(["u", "v"]).dictionary_encode(),
        "d": [date(2013, 1, 1), None], "h": [time(1, 2, 3), None],
        "n": [Decimal("1.10"), Decimal("-0.05")],
        "at": pyarrow.array([instant, instant.replace(microsecond=250_000)],
                            pyarrow.timestamp("ns", "America/New_York")),
    }  # fmt: skip
    file = tmp_path / "t.parquet"
    file.write_bytes(parquet_bytes(columns))

    ended = sqlatch("load", "--create", "--types", "n=TEXT", str(file))

    assert (ended.code, ended.out, ended.err) == (0, "2 rows loaded\n", "")
    assert rows(client) == [
        (1, 1.5, "007", 1, b"\0\xff", "u", "2013-01-01", "01:02:03", "1.10", "2013-01-01 05:00:00"),
        (None, float("inf"), "é", 0, None, "v", None, None, "-0.05", "2013-01-01 05:00:00.25"),
    ]
    assert client.query("SELECT group_concat(type, ' ') FROM pragma_table_info('t')").value() == (
        "INTEGER REAL TEXT INTEGER BLOB TEXT TEXT TEXT TEXT TEXT"
    )


LARGE = pyarrow.array([2**63], "uint64")
LATE = pyarrow.array([2**40], pyarrow.timestamp("s"))
BAD_PARQUET: dict[str, tuple[dict[str, Any], str]] = {
    "a list": ({"a": [[1]]}, "column 'a' is of type list<element: int64>"),
    "NaN": ({"a": [1.0, float("nan")]}, "row 2: column 'a' is NaN"),
    "past 64 bits": ({"a": LARGE}, "row 1: column 'a' is an integer past 64 bits"),
    "past 9999": ({"a": LATE}, "row 1: column 'a' is an instant past the year 9999"),
    "two of a name": ({"a": [1], "A": [2]}, "row 1: two columns are named 'a'"),
}


@pytest.mark.parametrize("name", BAD_PARQUET)
def test_what_sqlite_does_not_have_is_named_and_nothing_is_loaded(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str
) -> None:
    columns, told = BAD_PARQUET[name]
    file = tmp_path / "t.parquet"
    file.write_bytes(parquet_bytes(columns))

    ended = sqlatch("load", "--create", str(file))

    assert ended.code == 7
    assert told in ended.err
    assert client.health()


def test_parquet_that_is_damaged_is_refused(
    sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    content = bytearray(parquet_bytes({"a": [f"{number}" * 50 for number in range(1000)]}))
    content[50:90] = bytes(40)
    (tmp_path / "t.parquet").write_bytes(content)
    (tmp_path / "u.parquet").write_bytes(b"PAR1")

    for name in ("t", "u"):
        ended = sqlatch("load", "--create", str(tmp_path / f"{name}.parquet"))

        assert ended.code == 7
        assert "the file cannot be read as Parquet" in ended.err


def test_nan_may_be_null_and_decimals_numbers(
    sqlatch: Sqlatch, client: Client, tmp_path: Path
) -> None:
    file = tmp_path / "t.parquet"
    file.write_bytes(parquet_bytes({"a": [1.0, float("nan")], "n": [Decimal("1.10")] * 2}))

    assert sqlatch("load", "--create", "--null", "nan", "--types", "n=REAL", str(file)).code == 0
    assert rows(client) == [(1.0, 1.1), (None, 1.1)]


def test_parquet_without_pyarrow_says_what_to_install(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "t.parquet"
    file.write_bytes(parquet_bytes({"a": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    ended = sqlatch("load", "--create", str(file))

    assert ended.code == 2
    assert "pip install 'sqlatch[cli,parquet]'" in ended.err


def test_progress_is_shown_from_the_beginning(url: str, tmp_path: Path) -> None:
    """On a terminal of its own."""
    file = tmp_path / "t.csv"
    file.write_bytes(CSV)

    child = pexpect.spawn(
        sys.executable,
        ["-m", "sqlatch", "load", "-u", url, "--create", str(file)],
        cwd=ROOT, timeout=60, encoding="utf-8", dimensions=(30, 200),
    )  # fmt: skip
    child.expect(pexpect.EOF)
    child.close()

    bars = [child.before.find(word) for word in ("reading", "checking", "2/2", "2 rows loaded")]
    assert child.exitstatus == 0
    assert -1 < bars[0] < bars[1] < bars[2] < bars[3]
