"""The result of a statement as the protocol has it."""

from typing import Any

from hrana.outcomes import empty_outcome, in_one_order, outcome_of, without_rows
from sqlexec.transaction import Ran

COUNTS: Any = {"rows_count": 0, "truncated": False, "rows_bytes": 0}
ROWS = [[{"type": "integer", "value": "2"}], [{"type": "integer", "value": "1"}]]


def test_a_result_has_columns_with_their_types_rows_and_counts() -> None:
    columns = (("n", "INTEGER"), ("one", None))
    ran = Ran(columns, ROWS, rows_affected=2, last_insert_rowid=7, is_unordered=False, **COUNTS)

    assert outcome_of(ran) == {
        "cols": [{"name": "n", "decltype": "INTEGER"}, {"name": "one", "decltype": None}],
        "rows": ROWS,
        "affected_row_count": 2,
        "last_insert_rowid": "7",
    }


def test_no_rowid_is_none() -> None:
    ran = Ran((), [], rows_affected=0, last_insert_rowid=0, is_unordered=False, **COUNTS)

    assert outcome_of(ran) == empty_outcome()


def test_outcomes_that_differ_in_order_only_are_the_same_in_one_order() -> None:
    one, other = {**empty_outcome(), "rows": ROWS}, {**empty_outcome(), "rows": ROWS[::-1]}

    assert one != other
    assert in_one_order(one) == in_one_order(other)
    assert without_rows(one) == empty_outcome()
    assert one["rows"] == ROWS, "the outcome itself is as it was"
