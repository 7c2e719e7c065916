"""Requests without statements."""

from typing import Any

import pytest

from events.request import parse
from events.whole import BranchEvent, HistoryEvent
from sqlatch.kernel.errors import BadEvent


def test_a_history_and_a_branch_are_told_by_their_fields() -> None:
    assert parse({"history": True, "database": "a"}) == HistoryEvent(history=True, database="a")
    assert parse({"branch": "b", "database": "a", "at": "000000000000000a"}) == BranchEvent(
        branch="b", database="a", at=10
    )


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"history": False, "database": "a"}, "history"),
        ({"history": True}, "database"),
        ({"history": True, "database": "a", "most": 0}, "most"),
        ({"history": True, "database": "a", "before": "x"}, "before"),
        ({"branch": "B", "database": "a"}, "branch"),
        ({"branch": "b"}, "database"),
        ({"branch": "b", "database": "a", "at": "x"}, "at"),
        ({"branch": "b", "database": "a", "to": "c"}, "to"),
    ],
)
def test_what_is_wrong_is_named(event: dict[str, Any], field: str) -> None:
    with pytest.raises(BadEvent) as refused:
        parse(event)
    assert refused.value.field == field
