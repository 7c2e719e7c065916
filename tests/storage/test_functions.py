"""The functions that stand in for SQLite's give the answers of SQLite's own."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sqlatch.kernel.values import Value
from storage import functions
from tests.conftest import Ask

PIECES = ("a", "b", "A", "0", "f", " ", "-", ".", "\0", "é", "ñ", "\ufffd", "\ufffe", "\uffff",
          "😀", "aa", "ab")  # fmt: skip
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(max_size=4).filter(
    lambda text: text.isprintable()
)
blobs = st.lists(st.sampled_from(PIECES), max_size=5).map(lambda parts: "".join(parts).encode())
cut_blobs = st.tuples(blobs, st.integers(0, 3)).map(lambda cut: cut[0][cut[1] :]) | st.binary(
    max_size=4
)
numbers = st.sampled_from((0, 1, -7, 10**15, 2**63 - 1, 1.5, 1e15, 1e100, -0.0, 0.1, 5.0))
values = st.none() | texts | blobs | cut_blobs | numbers | st.floats(allow_nan=False)
CALLS = {"instr": 2, "replace": 3, "trim": 2, "ltrim": 2, "rtrim": 2, "unhex": 2}


@pytest.fixture(scope="module")
def connections() -> Iterator[tuple[apsw.Connection, apsw.Connection]]:
    own, sqlites = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    functions.install(own, lambda: None)
    yield own, sqlites
    own.close()
    sqlites.close()


def asked(connection: apsw.Connection, call: str, arguments: tuple[Value, ...]) -> Any:
    """Return the function's value and its type, read as bytes, or the error."""
    sql = f"SELECT typeof({call}), CAST({call} AS BLOB)"
    try:
        return connection.execute(sql, arguments).get
    except UnicodeDecodeError:
        return "not UTF-8"
    except apsw.Error as error:
        return type(error)


def is_utf8(value: object) -> bool:
    try:
        value.decode() if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=1_000, deadline=None)
@given(st.data())
def test_every_value_gives_what_sqlite_gives(
    connections: tuple[apsw.Connection, apsw.Connection], name: str, data: st.DataObject
) -> None:
    own, sqlites = connections
    arguments = data.draw(st.tuples(*[values] * CALLS[name]))
    call = f"{name}({', '.join(f'?{n + 1}' for n in range(len(arguments)))})"

    said, wanted = asked(own, call, arguments), asked(sqlites, call, arguments)

    if said == "not UTF-8":
        # Python has no text for it: refused, never answered otherwise.
        assert not all(map(is_utf8, (*arguments, wanted[1])))
    else:
        assert said == wanted, (call, arguments)


def test_a_file_whose_schema_uses_them_opens_and_its_index_serves(
    ask: Ask, directory: Path
) -> None:
    with sqlite3.connect(directory / "main.db") as plain:
        plain.execute(
            "CREATE TABLE t (path TEXT, name TEXT AS (replace(path, '/', '-')) STORED,"
            " CHECK (trim(path, '/') <> ''))"
        )
        plain.execute("CREATE INDEX slashes ON t (instr(path, '/'), ltrim(path, './'))")
        plain.execute("INSERT INTO t VALUES ('a/b'), ('/c'), ('d')")
    plain.close()

    plan = ask(query="EXPLAIN QUERY PLAN SELECT path FROM t WHERE instr(path, '/') = 2")
    found = ask(query="SELECT path, name FROM t WHERE instr(path, '/') = 2")
    ask(query="INSERT INTO t VALUES ('e/f')")
    checked = ask(query="PRAGMA integrity_check")

    assert "USING INDEX slashes" in plan["rows"][0][3]
    assert found["rows"] == [["a/b", "a-b"]]
    assert checked["rows"] == [["ok"]]
    with sqlite3.connect(directory / "main.db") as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("SELECT name FROM t WHERE instr(path, '/') = 2").fetchall() == [
            ("a-b",), ("e-f",),
        ]  # fmt: skip
    plain.close()


def test_what_would_be_too_large_is_refused_before_it_is_made() -> None:
    with pytest.raises(apsw.TooBigError):
        functions.replace("a" * 1_000_000, "a", "b" * 1_000_000)


def test_a_call_of_large_values_past_the_deadline_is_not_begun() -> None:
    connection = apsw.Connection(":memory:")

    def past() -> None:
        raise apsw.InterruptError("the deadline is past")

    functions.install(connection, past)

    assert connection.execute("SELECT instr('abc', 'c')").get == 3
    with pytest.raises(apsw.InterruptError):
        connection.execute("SELECT instr(hex(zeroblob(100000)), '1')")
    connection.close()
