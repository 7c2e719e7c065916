"""Values both ways, for any value there is."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from events.values import (
    INTEGER_MAX,
    INTEGER_MIN,
    parameter_sets_in,
    rows_out,
    value_in,
)
from sqlatch.kernel.values import Row

values = (
    st.none()
    | st.integers(INTEGER_MIN, INTEGER_MAX)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
rows = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.tuples(*[values] * width), min_size=1, max_size=20)
)


@given(rows)
def test_what_goes_out_comes_in_the_same(rows: list[Row]) -> None:
    sent = json.loads(json.dumps(rows_out(rows, in_text=False)[0], allow_nan=False))

    received = [tuple(value_in(value, "") for value in row) for row in sent]

    assert received == rows
    assert [list(map(type, row)) for row in received] == [list(map(type, row)) for row in rows]
    signs = [math.copysign(1, value) for row in rows for value in row if isinstance(value, float)]
    assert signs == [
        math.copysign(1, value) for row in received for value in row if isinstance(value, float)
    ]


@given(rows, st.booleans())
def test_the_size_of_rows_is_at_least_that_of_their_json(rows: list[Row], in_text: bool) -> None:  # noqa: FBT001
    sent, _encoded, size_bytes = rows_out(rows, in_text=in_text)

    written = json.dumps(sent, ensure_ascii=False)
    body = json.dumps(to_json(sent).decode(), ensure_ascii=False)
    assert size_bytes >= len((body if in_text else written).encode()) - 2


@pytest.mark.parametrize("real", [1e-7, -2.5e-9, 9.9e-5, 1e16, -1e22, 5e-324])
def test_exponents_count_as_python_writes_them(real: float) -> None:
    rows: list[Row] = [(real,) * 5] * 20

    assert rows_out(rows, in_text=False).size_bytes >= len(json.dumps(rows)) - 2


@given(rows)
def test_sets_come_in_as_their_values_do_one_by_one(rows: list[Row]) -> None:
    sets = json.loads(json.dumps(rows_out(rows, in_text=False)[0]))

    received = parameter_sets_in(sets)

    assert received == [list(row) for row in rows]
    assert [list(map(type, row)) for row in received] == [list(map(type, row)) for row in rows]


def test_sets_without_special_values_are_passed_uncopied() -> None:
    sets = [[1, 1.5, "é", None], [2**63 - 1, 1e308, "", None], [None, 1e308, None, None]]

    assert parameter_sets_in(sets) is sets


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1, math.inf, -math.inf, math.nan, "\ud800"])
def test_one_value_that_sqlite_cannot_take_is_found_among_many(value: Any) -> None:
    sets = [[0, 0.5, "a"] for _number in range(1000)]
    column = {int: 0, float: 1, str: 2}[type(value)]
    sets[777][column] = value

    with pytest.raises(ValueError, match=rf"\[777\] \[{column}\] "):
        parameter_sets_in(sets)
