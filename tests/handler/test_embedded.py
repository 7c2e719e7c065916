"""The service within another program, by its own interface; tests/sqlatch has the way to it."""

from contextlib import closing
from pathlib import Path

import pytest

from handler.embedded import Embedded
from sqlatch.errors import BadEvent, LeaderUnreachable, Timeout

NOBODY = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    "event",
    [
        {"history": True, "database": "main"},
        {"manage": "delete", "database": "main"},
        {"query": "SELECT 1", "link": "csv"},
        {"pipeline": {"requests": []}},
    ],
)
def test_what_is_for_the_leader_is_left_to_the_caller(
    tmp_path: Path, event: dict[str, object]
) -> None:
    with closing(Embedded(NOBODY, None, tmp_path, 1_000)) as embedded:
        assert embedded.answer(event, timeout_s=5) is None


def test_what_is_wrong_is_said_here(tmp_path: Path) -> None:
    with closing(Embedded(NOBODY, None, tmp_path, 1_000)) as embedded:
        with pytest.raises(BadEvent, match="did you mean query"):
            embedded.answer({"sql": "SELECT 1"}, timeout_s=5)
        with pytest.raises(LeaderUnreachable) as refused:
            embedded.answer({"query": "SELECT 1"}, timeout_s=5)
    assert type(refused.value) is LeaderUnreachable


def test_a_request_waits_for_its_turn_and_no_longer_than_its_time(tmp_path: Path) -> None:
    with (
        closing(Embedded(NOBODY, None, tmp_path, 1_000)) as embedded,
        embedded._turn,
        pytest.raises(Timeout),
    ):
        embedded.answer({"query": "SELECT 1"}, timeout_s=0.01)


def test_a_position_that_was_told_is_noted_for_each_process_of_the_path(tmp_path: Path) -> None:
    embedded = Embedded(NOBODY, None, tmp_path, 1_000)
    embedded.saw("main", "000000000000000a")
    with closing(embedded), closing(Embedded(NOBODY, None, tmp_path, 1_000)) as beside:
        assert beside._engine._seen_of("main").position == 10


def test_a_write_that_is_answered_waits_for_no_read(tmp_path: Path) -> None:
    with closing(Embedded(NOBODY, None, tmp_path, 1_000)) as embedded:
        with embedded._turn:
            embedded.saw("main", "000000000000000a")
        assert embedded._engine._seen_of("main").position == 10
