"""A text that a request means is known before anything of the request is run."""

from typing import Any

import pytest

from hrana.protocol import Pipeline
from hrana.refusals import RequestRefused
from hrana.texts import check_texts

STORE, CLOSE = {"type": "store_sql", "sql_id": 1, "sql": "x"}, {"type": "close_sql", "sql_id": 1}
ONE: dict[str, Any] = {"sql_id": 1}
USES: list[dict[str, Any]] = [
    {"type": "execute", "stmt": ONE},
    {"type": "batch", "batch": {"steps": [{"stmt": ONE}]}},
    {"type": "sequence", **ONE},
    {"type": "describe", **ONE},
]


def check(*requests: Any, known: set[int] | None = None) -> None:
    pipeline = Pipeline.model_validate({"requests": requests})
    check_texts(pipeline.requests, known or set())


@pytest.mark.parametrize("use", USES, ids=lambda use: use["type"])
def test_a_text_is_known_from_when_it_is_stored_until_it_is_closed(use: dict[str, Any]) -> None:
    check(STORE, use, CLOSE, STORE, use)
    check(use, known={1})

    for requests in ([use], [use, STORE], [STORE, CLOSE, use]):
        with pytest.raises(RequestRefused) as refused:
            check(*requests)
        assert refused.value.code == "SQL_NOT_FOUND"


@pytest.mark.parametrize("use", USES, ids=lambda use: use["type"])
def test_there_is_one_text_and_not_two(use: dict[str, Any]) -> None:
    for stmt in ({}, {"sql": "x", "sql_id": 1}):
        changed: dict[str, Any] = {key: value for key, value in use.items() if key != "sql_id"}
        if "stmt" in changed:
            changed["stmt"] = stmt
        elif "batch" in changed:
            changed["batch"] = {"steps": [{"stmt": stmt}]}
        else:
            changed |= stmt
        with pytest.raises(RequestRefused, match="exactly one"):
            check(STORE, changed)


def test_a_number_in_use_is_not_stored_over() -> None:
    with pytest.raises(RequestRefused, match="is in use"):
        check(STORE, STORE)
    with pytest.raises(RequestRefused, match="is in use"):
        check(STORE, known={1})


def test_a_request_without_a_text_needs_none() -> None:
    check({"type": "get_autocommit"}, {"type": "close"})
