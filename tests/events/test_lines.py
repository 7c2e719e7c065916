"""Rows as lines: what is read back is what was written, in each form."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from events.lines import head, lines
from sqlatch.kernel.values import Row, Value, special_in

VALUES: st.SearchStrategy[Value] = st.one_of(
    st.none(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(["", "Infinity", '"', "a,b", " x", "x\n", "9e999", "\u2028"]),
    st.binary(max_size=8),
)
COLUMNS = ("n", "n", 'w"o,rd')
ROWS = st.lists(st.tuples(VALUES, VALUES, VALUES), min_size=1, max_size=5)


def back(value: object) -> object:
    return special_in(value, "a value") if isinstance(value, dict) else value


def typed(values: object) -> str:
    """A text that tells values of different types apart, and -0.0 from 0.0."""
    return repr(values)


@given(ROWS)
def test_json_lines_say_every_value_and_its_type(rows: list[Row]) -> None:
    written = head("jsonl", COLUMNS) + lines("jsonl", COLUMNS, rows)

    found = [json.loads(line) for line in written.decode().split("\n")[:-1]]
    assert [list(one) for one in found] == [["n", "n:1", 'w"o,rd']] * len(rows)
    values = [tuple(back(value) for value in one.values()) for one in found]
    assert typed(values) == typed(rows)


@given(ROWS)
def test_csv_says_every_value_as_one_row_does_alone(rows: list[Row]) -> None:
    """A column of one type is written another way than a single value."""
    written = lines("csv.gz", COLUMNS, rows)

    assert written == b"".join(lines("csv", COLUMNS, [row]) for row in rows)
    read = csv.reader(io.StringIO((head("csv", COLUMNS) + written).decode(), newline=""))
    assert [len(row) for row in read] == [3] * (len(rows) + 1)


def test_csv_tells_null_from_an_empty_text() -> None:
    row: Row = (None, "", b"")

    assert head("csv", COLUMNS) + lines("csv", COLUMNS, [row]) == b'n,n,"w""o,rd"\n,"",""\n'
