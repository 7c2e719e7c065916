"""Values both ways, for any value there is."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from events.values import (
    INTEGER_MAX,
    INTEGER_MIN,
    parameter_sets_in,
    rows_out,
    size_bytes,
    value_in,
)

values = (
    st.none()
    | st.integers(INTEGER_MIN, INTEGER_MAX)
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)
rows = st.lists(st.lists(values, min_size=1, max_size=5).map(tuple), max_size=20)


@given(rows)
def test_what_goes_out_comes_in_the_same(rows: list) -> None:
    sent = json.loads(json.dumps(rows_out(rows), allow_nan=False))

    received = [tuple(value_in(value, "") for value in row) for row in sent]

    assert received == rows
    assert [list(map(type, row)) for row in received] == [list(map(type, row)) for row in rows]
    signs = [math.copysign(1, value) for row in rows for value in row if isinstance(value, float)]
    assert signs == [
        math.copysign(1, value) for row in received for value in row if isinstance(value, float)
    ]


@given(rows)
def test_the_size_of_rows_is_at_least_that_of_their_json(rows: list) -> None:
    as_lambda_sends_them = json.dumps(rows_out(rows), ensure_ascii=False).encode()

    assert size_bytes(rows) >= len(as_lambda_sends_them) - 2 * max(len(rows), 1)


@given(st.lists(st.lists(values.filter(lambda value: not isinstance(value, bytes)), max_size=3)))
def test_sets_without_special_values_are_passed_uncopied(sets: list) -> None:
    plain = all(
        not (isinstance(value, float) and math.isinf(value)) for each in sets for value in each
    )
    if plain and sets:
        assert parameter_sets_in(sets) is sets
