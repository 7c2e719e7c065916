"""`sqlatch load`: files in, all of it or nothing after the line that is named, and once."""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sqlatch.client import Client, connect
from sqlatch.command import loading
from sqlatch.command.journal import RESUMABLE_S, Done, Journal
from sqlatch.command.target import Target
from tests.command.conftest import ROOT, Sqlatch
from tests.sqlatch.fault_proxy import holding

BLOCK_ROWS = loading.BLOCK_ROWS
REQUESTS = 7
"""Of a load of 12 blocks, with which some of them are there."""


@pytest.fixture(autouse=True)
def blocks_of_two_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "BLOCK_ROWS", 2)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "t.csv"


def rows(client: Client, sql: str = "SELECT * FROM t") -> list[Any]:
    return client.query(sql).rows


def test_a_csv_makes_its_table(sqlatch: Sqlatch, client: Client, file: Path) -> None:
    file.write_bytes(
        b"\xef\xbb\xbfid,code,x,big,name,none\r\n"
        b'1,007,1.5,9223372036854775807,"a\r\n""b"",",\r\n'
        b"\r\n"
        b"-2,+44,2,9223372036854775808,\xc3\xa9,\r\n"
    )

    ended = sqlatch("load", "--create", str(file))

    assert (ended.code, ended.out) == (0, "2 rows loaded\n")
    assert rows(client) == [
        (1, "007", 1.5, "9223372036854775807", 'a\r\n"b",', None),
        (-2, "+44", 2.0, "9223372036854775808", "é", None),
    ]
    (made,) = rows(client, "SELECT sql FROM sqlite_schema WHERE name = 't'")
    assert made == (
        'CREATE TABLE "t" ("id" INTEGER, "code" TEXT, "x" NUMERIC, "big" TEXT, "name" TEXT,'
        ' "none" TEXT)',
    )
    assert list(file.parent.iterdir()) == [file]


def test_json_lines_make_their_table(sqlatch: Sqlatch, client: Client, tmp_path: Path) -> None:
    lines = [
        {"a": 1, "b": {"base64": "AP8="}, "c": True},
        {"a": 1.5, "b": None, "d": "x"},
        {"c": "mixed", "a": {"real": "Infinity"}},
    ]
    file = tmp_path / "t.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))

    assert sqlatch("load", "--create", str(file)).code == 0
    assert rows(client) == [
        (1.0, b"\0\xff", 1, None), (1.5, None, None, "x"), (float("inf"), None, "mixed", None)
    ]  # fmt: skip


def test_what_query_writes_load_reads(sqlatch: Sqlatch, client: Client, tmp_path: Path) -> None:
    sqlatch("query", "CREATE TABLE t (a INTEGER, b BLOB, c TEXT)")
    sqlatch("query", "INSERT INTO t VALUES (1, x'00', 'a,\"b'), (NULL, NULL, NULL)")
    file = tmp_path / "copy.jsonl"
    file.write_text(sqlatch("query", "-o", "jsonl", "SELECT * FROM t").out)

    sqlatch("load", "--create", str(file))

    assert rows(client, "SELECT * FROM copy") == rows(client)


BAD: dict[str, tuple[bytes, str]] = {
    "short row": (b"a,b\n1,2\n3\n", "line 3: there are 1 values, and 2 columns are named"),
    "long row": (b"a,b\n1,2\n1,2,3\n", "line 3: there are 3 values"),
    "behind a row of two lines": (b'a,c\n1,"x\ny"\n3\n', "line 4: there are 1 values"),
    "open quote": (b'a,b\n1,2\n3,"x\n4,5\n', "line 3: not CSV: unexpected end of data"),
    "text behind a quote": (b'a,b\n1,2\n3,"x"y\n', "line 3: not CSV"),
    "not utf-8": (b"a,b\n1,2\n3,\xff\n", "line 3: not utf-8: byte 3 of it"),
    "no integer": (b"a,b\n1,2\nx,2\n", "line 3: column 'a': 'x' is not a valid INTEGER"),
    "past 64 bits": (b"a,b\n1,2\n9223372036854775808,2\n", "line 3: column 'a': '9223"),
    "an underscore": (b"a,b\n1,2\n1_0,2\n", "line 3: column 'a': '1_0' is not a valid INTEGER"),
    "no real": (b"b,a\n1.5,1\nnan,2\n", "line 3: column 'b': 'nan' is not a valid REAL"),
    "no such column": (b"a,zzz\n1,2\n", "line 1: table 't' has no column 'zzz'"),
    "two of a name": (b"a,A\n1,2\n", "line 1: two columns are named 'a'"),
    "no name": (b"a,\n1,2\n", "line 1: a column has no name"),
    "empty": (b"", "line 1: the line with the names of the columns is missing"),
}
BAD_JSON: dict[str, tuple[bytes, str]] = {
    "no JSON": (b'{"a": 1}\n{"a": \n', "line 2: not JSON"),
    "no object": (b'{"a": 1}\n[1]\n', "line 2: not a JSON object"),
    "a list": (b'{"a": 1}\n\n{"b": [1]}\n', "line 3: column 'b' is a list"),
    "an object": (b'{"a": 1}\n{"b": {"x": 1, "y": 2}}\n', "line 2: column 'b' is an object"),
    "bad base64": (b'{"a": 1}\n{"b": {"base64": "?"}}\n', "line 2: column 'b' is bad base64"),
    "a text": (b'{"a": 1}\n{"a": "1"}\n', "line 2: column 'a': '1' is not a valid INTEGER"),
    "an integer past 64 bits": (
        b'{"a": 1}\n{"a": 9223372036854775808}\n',
        "line 2: column 'a' is an",
    ),
    "half a surrogate pair": (b'{"a": 1}\n{"c": "\\ud800"}\n', "line 2: column 'c' holds half a"),
    "two fields of a name": (
        b'{"a": 1}\n{"c": "x", "c": "y"}\n',
        "line 2: not JSON: two fields of one",
    ),
    "not utf-8 either": (b'{"a": 1}\n{"c": "\xff"}\n', "line 2: not utf-8: byte 8 of it"),
    "deep": (b'{"a": 1}\n{"c": ' + b"[" * 99_999 + b"]}\n", "line 2: not JSON"),
    "no such field": (b'{"a": 1}\n{"zzz": 1}\n', "table 't' has no column 'zzz'"),
    "NaN": (b'{"a": 1}\n{"b": NaN}\n', "line 2: not JSON: NaN is not JSON"),
}


@pytest.mark.parametrize("name", [*BAD, *BAD_JSON])
def test_a_bad_line_is_named_and_nothing_is_loaded(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str
) -> None:
    sqlatch("query", "CREATE TABLE t (a INTEGER, b REAL, c TEXT)")
    content, said = (BAD | BAD_JSON)[name]
    file = tmp_path / ("t.csv" if name in BAD else "t.jsonl")
    file.write_bytes(content)

    ended = sqlatch("load", str(file))

    assert (ended.code, ended.out) == (7, "")
    assert said in ended.err
    assert rows(client) == []
    assert list(tmp_path.glob("*sqlatch-load")) == []


@pytest.mark.parametrize("name", [*BAD, *BAD_JSON])
def test_a_bad_line_behind_many_blocks_is_found_before_the_first_is_sent(
    sqlatch: Sqlatch, client: Client, tmp_path: Path, name: str
) -> None:
    """The check of the whole file: block by block, the first would be there."""
    sqlatch("query", "CREATE TABLE t (a INTEGER, b REAL, c TEXT)")
    content, _said = (BAD | BAD_JSON)[name]
    head, _, rest = content.partition(b"\n")
    good = b'{"a": 1}\n' if name in BAD_JSON else b"1" + b",1" * head.count(b",") + b"\n"
    file = tmp_path / ("t.csv" if name in BAD else "t.jsonl")
    file.write_bytes(head + b"\n" + 10 * good + rest)

    ended = sqlatch("load", str(file))

    assert (ended.code, "nothing is loaded" in ended.err) == (7, True)
    assert rows(client) == []


def test_a_column_by_which_rows_are_spread_holds_texts_that_are_some(
    sqlatch: Sqlatch, url: str, tmp_path: Path
) -> None:
    file = tmp_path / "t.jsonl"
    file.write_bytes(b'{"a": "x"}\n{"a": "\\ud800"}\n')

    ended = sqlatch("load", "--create", "--by", "a", "--also", f"{url}-b", str(file))

    assert ended.code == 7
    assert "line 2: column 'a' holds half a surrogate pair" in ended.err


UNCHECKED = {
    "ragged": (b"a,b\n1,1\n2,2\n3,3\n4,4\n5\n6,6\n", "line 6: there are 1 values"),
    "encoding": (b"a,b\n1,1\n2,2\n3,3\n4,4\n5,\xff\n6,6\n", "line 6: not utf-8"),
}


@pytest.mark.parametrize("name", UNCHECKED)
def test_unchecked_is_about_types_and_never_about_lines(
    sqlatch: Sqlatch, client: Client, file: Path, name: str
) -> None:
    sqlatch("query", "CREATE TABLE t (a INTEGER, b)")
    content, said = UNCHECKED[name]
    file.write_bytes(content)

    ended = sqlatch("load", "--unchecked", str(file))

    assert ended.code == 7
    assert said in ended.err
    assert rows(client) == []


def test_a_bad_line_makes_no_table(sqlatch: Sqlatch, client: Client, file: Path) -> None:
    sqlatch("query", "CREATE TABLE other (n)")
    file.write_text("a,b\n1,2\n3\n")

    assert sqlatch("load", "--create", str(file)).code == 7
    assert rows(client, "SELECT name FROM sqlite_schema WHERE name = 't'") == []


def test_a_missing_table_is_made_only_when_asked(sqlatch: Sqlatch, file: Path) -> None:
    file.write_text("a\n1\n")

    ended = sqlatch("load", str(file))

    assert (ended.code, ended.err) == (3, "Error: there is no table 't'; --create makes it\n")


def test_unchecked_values_go_as_they_are(sqlatch: Sqlatch, client: Client, file: Path) -> None:
    sqlatch("query", "CREATE TABLE t (a INTEGER)")
    file.write_text("a\nx\n5\n")

    assert sqlatch("load", "--unchecked", str(file)).code == 0
    assert rows(client) == [("x",), (5,)]


def test_a_load_that_stopped_goes_on_behind_what_is_there(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    sqlatch("query", "CREATE TABLE t (n INTEGER UNIQUE)")
    file.write_text("n\n1\n2\n3\n1\n5\n")

    stopped = sqlatch("load", str(file))
    there = rows(client)
    file.write_text("n\n1\n2\n3\n4\n5\n")
    resumed = sqlatch("load", str(file))

    assert stopped.code == 3
    assert "line 5: CONSTRAINT: UNIQUE constraint failed: t.n" in stopped.err
    assert there == [(1,), (2,)]
    assert (resumed.code, resumed.out) == (0, "3 rows loaded, 2 were there\n")
    assert rows(client) == [(1,), (2,), (3,), (4,), (5,)]
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("same_key", [True, False])
def test_a_block_whose_answer_was_lost_is_applied_once_by_its_key(
    sqlatch: Sqlatch, client: Client, file: Path, *, same_key: bool
) -> None:
    """Killed after the service applied a block, before the journal said so. The negative control
    has another key, and applies it twice."""
    interrupted_before_the_answer(sqlatch, file)
    journal = file.with_name("t.csv.sqlatch-load")
    if not same_key:
        journal.write_text(json.dumps(json.loads(journal.read_text()) | {"key": "another"}))
    resumed = sqlatch("load", str(file))

    assert resumed.code == 0
    expected = [(1,), (2,), (3,), (4,)]
    again = [] if same_key else [(3,), (4,)]
    assert rows(client) == [*expected, *again, (5,)]


def test_of_a_block_of_long_rows_that_is_refused_nothing_is_there(
    sqlatch: Sqlatch, client: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block is one request, whatever its rows are: 5,000 of these are three."""
    monkeypatch.setattr(loading, "BLOCK_ROWS", BLOCK_ROWS)
    sqlatch("query", "CREATE TABLE t (n INTEGER UNIQUE, text)")
    lines = [f"{number},{'x' * 1000}" for number in range(4600)]
    file.write_text("\n".join(["n,text", *lines, "7,x", ""]))

    stopped = sqlatch("load", str(file))
    ((there,),) = rows(client, "SELECT count(*) FROM t")
    said = json.loads(file.with_name("t.csv.sqlatch-load").read_text())
    file.write_text("\n".join(["n,text", *lines, "8000,x", ""]))
    mended = sqlatch("load", str(file))

    assert (stopped.code, "line 4602: CONSTRAINT" in stopped.err) == (3, True)
    assert (next(iter(said["done"].values()))[0], said["sent"]) == (there, {})
    assert mended.out == f"{4601 - there} rows loaded, {there} were there\n"
    assert rows(client, "SELECT count(*), count(DISTINCT n) FROM t") == [(4601, 4601)]


def test_nothing_behind_a_block_that_is_refused_is_sent(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    """The blocks have two rows each."""
    sqlatch("query", "CREATE TABLE t (n INTEGER UNIQUE)")
    file.write_text("n\n1\n2\n3\n1\n5\n6\n7\n")

    stopped = sqlatch("load", str(file))

    assert (stopped.code, "line 5: CONSTRAINT" in stopped.err) == (3, True)
    assert rows(client) == [(1,), (2,)]


def interrupted_before_the_answer(sqlatch: Sqlatch, file: Path) -> None:
    """A load whose second block was applied, and its answer lost."""
    sqlatch("query", "CREATE TABLE t (n INTEGER)")
    file.write_text("n\n1\n2\n3\n4\n5\n")
    acknowledge = Journal.acknowledge

    def killed(self: Journal, url: str, done: Done) -> None:
        if done.rows == 4:
            raise KeyboardInterrupt
        acknowledge(self, url, done)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Journal, "acknowledge", killed)
        assert sqlatch("load", str(file)).code == 130


def test_a_block_that_may_be_there_is_not_sent_as_another(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    interrupted_before_the_answer(sqlatch, file)
    file.write_text("n\n1\n2\n3\n40\n5\n")

    changed = sqlatch("load", str(file))
    there = rows(client)
    file.write_text("n\n1\n2\n3\n4\n5\n")
    resumed = sqlatch("load", str(file))

    assert changed.code == 7
    assert "lines 4 to 5 were on their way when the load stopped" in changed.err
    assert there == [(1,), (2,), (3,), (4,)]
    assert resumed.code == 0
    assert rows(client) == [(1,), (2,), (3,), (4,), (5,)]


def test_lines_behind_a_block_that_may_be_there_may_be_mended(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    interrupted_before_the_answer(sqlatch, file)
    file.write_text("n\n1\n2\n3\n4\n50\n")

    assert sqlatch("load", str(file)).code == 0
    assert rows(client) == [(1,), (2,), (3,), (4,), (50,)]


def test_a_file_is_loaded_by_one_load_at_a_time(
    sqlatch: Sqlatch, client: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlatch("query", "CREATE TABLE t (n INTEGER)")
    file.write_text("n\n1\n2\n3\n")
    create = Target.create
    second = []

    def create_while_another_begins(self: Target, clients: Sequence[Client]) -> None:
        create(self, clients)
        second.append(
            subprocess.run(
                [sys.executable, "-m", "sqlatch", "load", "--restart", str(file)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )
        )

    monkeypatch.setattr(Target, "create", create_while_another_begins)
    first = sqlatch("load", str(file))

    assert (first.code, second[0].returncode) == (0, 7)
    assert f"another load of {file} is running" in second[0].stderr
    assert rows(client) == [(1,), (2,), (3,)]
    assert list(file.parent.iterdir()) == [file]


COLUMNS: dict[str, tuple[list[str], str]] = {
    "a price": (["1.10", "2.5"], "TEXT"),
    "fractions": (["1.5", "-0.25", "1.0"], "REAL"),
    "fractions and integers": (["1.5", "2", "-3"], "NUMERIC"),
    "1.0 and 1": (["1.0", "1"], "TEXT"),
    "more digits than a real has": (["0.12345678901234567890"], "TEXT"),
    "a long number": (["12345678901234567890.5"], "TEXT"),
    "integers past what a real keeps": (["9007199254740993", "0.5"], "NUMERIC"),
    "negative zero": (["-0.0"], "TEXT"),
    "an exponent": (["1e5"], "TEXT"),
    "SQLite's own exponent": (["1.5e-07"], "REAL"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_what_is_loaded_into_a_table_made_for_it_comes_back_the_same(
    sqlatch: Sqlatch, client: Client, file: Path, name: str
) -> None:
    texts, kind = COLUMNS[name]
    file.write_text("\n".join(["v", *texts, ""]))

    assert sqlatch("load", "--create", str(file)).code == 0

    assert rows(client, "SELECT type FROM pragma_table_info('t')") == [(kind,)]
    assert [str(value) for (value,) in rows(client)] == texts
    out = sqlatch("query", "-o", "csv", "SELECT v FROM t").out
    assert out == file.read_text()


def test_a_load_into_a_numeric_column_that_it_made_is_gone_on_with(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    file.write_text("v,n\n1.5,1\n2,2\n3,x\n4,4\n")
    sqlatch("query", "CREATE TABLE t (v NUMERIC, n TEXT CHECK (n <> 'x'))")

    stopped = sqlatch("load", str(file))
    file.write_text("v,n\n1.5,1\n2,2\n3,3\n4,4\n")

    assert (stopped.code, sqlatch("load", str(file)).code) == (3, 0)
    assert rows(client, "SELECT v FROM t") == [(1.5,), (2,), (3,), (4,)]


def test_json_keeps_integers_beside_reals(sqlatch: Sqlatch, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "t.jsonl"
    file.write_text('{"a": 9007199254740993}\n{"a": 0.5}\n{"a": 1.0}\n')

    assert sqlatch("load", "--create", str(file)).code == 0
    assert repr(rows(client)) == "[(9007199254740993,), (0.5,), (1.0,)]"


def test_a_load_that_is_killed_is_gone_on_with(
    sqlatch: Sqlatch, client: Client, url: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "BLOCK_ROWS", BLOCK_ROWS)
    count = 60_000
    file.write_text("n\n" + "".join(f"{number}\n" for number in range(count)))
    sqlatch("query", "CREATE TABLE t (n INTEGER)")

    with holding(url, behind=REQUESTS) as (held, through):
        with subprocess.Popen(
            [sys.executable, "-m", "sqlatch", "load", "-u", through, str(file)], cwd=ROOT
        ) as killed:
            held.is_applied.wait()
            killed.kill()
        there = client.query("SELECT count(*) FROM t").value()
        resumed = sqlatch("load", "-u", through, str(file))

    assert isinstance(there, int)
    assert 0 < there < count
    assert resumed.code == 0
    assert rows(client, "SELECT count(*), count(DISTINCT n) FROM t") == [(count, count)]


def test_a_file_that_changes_while_it_is_loaded_is_told(
    sqlatch: Sqlatch, client: Client, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlatch("query", "CREATE TABLE t (n INTEGER)")
    file.write_text("n\n1\n2\n3\n")
    create = Target.create

    def change(self: Target, clients: Sequence[Client]) -> None:
        create(self, clients)
        file.write_text("n\n1\n2\nx\n")

    monkeypatch.setattr(Target, "create", change)
    ended = sqlatch("load", str(file))

    assert ended.code == 7
    assert (
        "changed while it was loaded: line 4: column 'n': 'x' is not a valid INTEGER" in ended.err
    )
    assert rows(client) == [(1,), (2,)]


def stopped_load(sqlatch: Sqlatch, file: Path) -> Path:
    """A load that stopped behind its first block; its journal."""
    sqlatch("query", "CREATE TABLE t (n INTEGER UNIQUE)")
    file.write_text("n\n1\n2\n1\n")
    assert sqlatch("load", str(file)).code == 3
    return file.with_name("t.csv.sqlatch-load")


def test_a_file_that_begins_otherwise_now_is_not_gone_on_with(
    sqlatch: Sqlatch, client: Client, file: Path
) -> None:
    stopped_load(sqlatch, file)
    file.write_text("n\n1\n7\n3\n")

    refused = sqlatch("load", str(file))

    assert refused.code == 7
    assert "no longer the first ones of the file; --restart forgets it" in refused.err
    assert rows(client) == [(1,), (2,)]


def test_a_load_that_stopped_long_ago_is_not_gone_on_with(sqlatch: Sqlatch, file: Path) -> None:
    journal = stopped_load(sqlatch, file)
    said = json.loads(journal.read_text())
    journal.write_text(json.dumps(said | {"at": said["at"] - RESUMABLE_S - 60}))

    assert sqlatch("load", str(file)).code == 7


def test_a_load_into_another_table_is_another_load(sqlatch: Sqlatch, file: Path) -> None:
    stopped_load(sqlatch, file)

    assert sqlatch("load", "--create", "--table", "u", str(file)).code == 7
    assert sqlatch("load", "--create", "--table", "u", "--restart", str(file)).code == 0


def test_several_databases_are_loaded_at_once(sqlatch: Sqlatch, url: str, file: Path) -> None:
    others = [f"{url}-{number}" for number in range(3)]
    file.write_text("n\n" + "".join(f"{number}\n" for number in range(20)))
    also = [argument for other in others for argument in ("--also", other)]

    ended = sqlatch("load", "--create", *also, str(file))

    assert (ended.code, ended.out) == (
        0,
        "".join(f"{one}: 20 rows loaded\n" for one in [url, *others]),
    )
    for one in [url, *others]:
        with connect(one) as client:
            assert rows(client) == [(number,) for number in range(20)]


def test_rows_are_spread_by_a_column(sqlatch: Sqlatch, url: str, file: Path) -> None:
    file.write_text("tenant,n\n" + "".join(f"t{number % 7},{number}\n" for number in range(50)))

    assert sqlatch("load", "--create", "--by", "tenant", "--also", f"{url}-b", str(file)).code == 0

    parts = []
    for one in (url, f"{url}-b"):
        with connect(one) as client:
            parts.append(rows(client))
    tenants = [{tenant for tenant, _n in part} for part in parts]
    assert sorted(n for part in parts for _tenant, n in part) == list(range(50))
    assert all(tenants)
    assert not tenants[0] & tenants[1]


def test_one_database_that_refuses_does_not_stop_another(
    sqlatch: Sqlatch, url: str, client: Client, file: Path
) -> None:
    sqlatch("query", "CREATE TABLE t (n INTEGER UNIQUE)")
    sqlatch("query", "-u", f"{url}-b", "CREATE TABLE t (n INTEGER)")
    file.write_text("n\n1\n2\n1\n4\n")

    ended = sqlatch("load", "--also", f"{url}-b", str(file))
    client.execute("DROP TABLE t")
    client.execute("CREATE TABLE t AS SELECT column1 AS n FROM (VALUES (1), (2))")
    sqlatch("query", "DROP TABLE t; CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1), (2)")
    resumed = sqlatch("load", "--also", f"{url}-b", str(file))

    assert ended.code == 3
    assert f"{url}-b: 4 rows loaded" in ended.out
    assert f"{url}: line 4: CONSTRAINT" in ended.err
    assert (
        resumed.out == f"{url}: 2 rows loaded, 2 were there\n{url}-b: 0 rows loaded, 4 were there\n"
    )
    assert rows(client) == [(1,), (2,), (1,), (4,)]


def test_threads_of_a_load_end_with_it(sqlatch: Sqlatch, file: Path) -> None:
    file.write_text("n\n1\n")
    before = threading.active_count()

    sqlatch("load", "--create", str(file))

    assert threading.active_count() == before


USAGE: list[list[str]] = [
    ["--encoding", "utf-16", "t.csv"],
    ["--encoding", "nope", "t.csv"],
    ["--delimiter", ";;", "t.csv"],
    ["--format", "xml", "t.csv"],
    ["--by", "nope", "--create", "t.csv"],
    ["missing.csv"],
    ["t"],
]


@pytest.mark.parametrize("arguments", USAGE)
def test_wrong_usage_is_told(
    sqlatch: Sqlatch, file: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    for name in ("t", "t.csv"):
        file.with_name(name).write_text("n\n1\n")

    assert sqlatch("load", *arguments).code == 2
