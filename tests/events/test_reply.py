"""A reply as objects and encoded: the same, whatever stands in it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from events.reply import ReplyForm, encoded, result_out, rows_out, with_part
from sqlatch.kernel.values import Row, names_apart
from sqlexec.statement import Result
from tests.events.test_values import rows

ENCODED = [ReplyForm.ENCODED, ReplyForm.IN_TEXT]


def result_of(
    chunks: list[list[Row]], *, as_objects: bool, form: ReplyForm
) -> tuple[dict[str, Any], int]:
    """A result whose rows were fetched so, and their bytes."""
    columns = ['"rows":[]', '"rows":[]', "é", "d", "e"][: len(chunks[0][0])]
    sent: list[Any] = []
    size_bytes = 0
    for chunk in chunks:
        more, more_bytes = rows_out(columns, chunk, as_objects=as_objects, form=form)
        sent += more
        size_bytes += more_bytes
    result = Result(tuple(columns), sent, len(sent), 0, None, truncated=True)
    return {**result_out(result, as_objects=as_objects)}, size_bytes


@pytest.mark.parametrize("form", ENCODED)
@given(rows=rows, cut=st.integers(1, 20), as_objects=st.booleans())
def test_encoded_it_says_what_the_objects_say(
    rows: list[Row],
    cut: int,
    form: ReplyForm,
    as_objects: bool,  # noqa: FBT001
) -> None:
    chunks = [chunk for chunk in (rows[:cut], rows[cut:]) if chunk]
    objects, objects_bytes = result_of(chunks, as_objects=as_objects, form=ReplyForm.OBJECTS)
    chunked, chunked_bytes = result_of(chunks, as_objects=as_objects, form=form)

    assert encoded(chunked) == to_json(objects)
    assert encoded({"results": [chunked, chunked], "meta": {}}) == to_json(
        {"results": [objects, objects], "meta": {}}
    )
    assert len(chunked["rows"]) == len(chunks)
    assert (
        chunked_bytes >= objects_bytes
        if form is ReplyForm.IN_TEXT
        else chunked_bytes == objects_bytes
    )


def test_without_rows_or_results_the_lists_are_empty() -> None:
    empty = result_out(Result((), [], 0, 1, 7), as_objects=False)

    assert encoded(empty) == to_json(empty)
    assert encoded({"results": []}) == b'{"results":[]}'


def test_a_kept_reply_gets_one_part_more() -> None:
    kept = to_json({"columns": names_apart(["a", "a"]), "rows": [["}", "é"]]}).decode()

    assert json.loads(with_part(kept, "meta", {"replayed": True})) == {
        **json.loads(kept),
        "meta": {"replayed": True},
    }
