"""Values as the protocol writes them, both ways."""

import math
from typing import Any

import pytest

from hrana.refusals import StatementRefused
from hrana.values import rows_out, value_in, value_out
from sqlatch.kernel.values import Value

MOST, LEAST = 2**63 - 1, -(2**63)
BOTH_WAYS: list[tuple[dict[str, Any], Value]] = [
    ({"type": "null"}, None),
    ({"type": "integer", "value": str(MOST)}, MOST),
    ({"type": "integer", "value": str(LEAST)}, LEAST),
    ({"type": "float", "value": 1.5}, 1.5),
    ({"type": "text", "value": "né\0"}, "né\0"),
    ({"type": "blob", "base64": "AP8"}, b"\0\xff"),
]
LENIENT: list[tuple[dict[str, Any], Value]] = [
    ({"type": "integer", "value": 7}, 7),
    ({"type": "integer", "value": "+7"}, 7),
    ({"type": "real", "value": 2}, 2.0),
    ({"type": "blob", "value": "AP8="}, b"\0\xff"),
]
BAD: list[Any] = [
    7, {}, {"type": 7}, {"type": "date", "value": "x"},
    {"type": "integer", "value": True}, {"type": "integer", "value": 1.0},
    {"type": "integer", "value": "1.0"}, {"type": "integer", "value": "٣"},
    {"type": "integer", "value": str(MOST + 1)}, {"type": "integer", "value": LEAST - 1},
    {"type": "float", "value": "1"}, {"type": "float", "value": math.inf},
    {"type": "float", "value": 10**400},
    {"type": "text", "value": 7}, {"type": "text", "value": "\ud800"},
    {"type": "blob", "base64": "?"}, {"type": "blob", "base64": None},
]  # fmt: skip


@pytest.mark.parametrize(("sent", "value"), BOTH_WAYS)
def test_a_value_goes_both_ways(sent: dict[str, Any], value: Value) -> None:
    assert value_in(sent) == value
    assert value_out(value) == sent


@pytest.mark.parametrize(("sent", "value"), LENIENT)
def test_what_clients_send_a_little_otherwise_is_taken(sent: dict[str, Any], value: Value) -> None:
    taken = value_in(sent)

    assert (type(taken), taken) == (type(value), value)


@pytest.mark.parametrize("sent", BAD)
def test_what_is_no_value_is_refused(sent: Any) -> None:
    with pytest.raises(StatementRefused) as refused:
        value_in(sent)

    assert refused.value.code == "ARGS_INVALID"


def test_an_infinite_real_is_refused_and_the_row_may_be_finite_next_time() -> None:
    with pytest.raises(StatementRefused) as refused:
        value_out(math.inf)

    assert (refused.value.code, refused.value.recurs) == ("SQLITE_RANGE", False)


@pytest.mark.parametrize("in_text", [True, False])
def test_rows_are_counted_as_they_are_sent(*, in_text: bool) -> None:
    sent, size_bytes = rows_out(("a",), [('"',)], in_text=in_text)

    encoded = r'[[{"type":"text","value":"\""}]]'
    escapes = encoded.count('"') + encoded.count("\\")
    assert sent == [[{"type": "text", "value": '"'}]]
    assert size_bytes == len(encoded) + (escapes if in_text else 0)
