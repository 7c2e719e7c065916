"""The courtesy among writers: who asks first, and who goes on without a question."""

from typing import TYPE_CHECKING, cast

import pytest

from storage.log.courtesy import BLIND_MAX, Courtesy
from storage.log.log import Record

if TYPE_CHECKING:
    from storage.log.table import Table


@pytest.fixture
def courtesy() -> Courtesy:
    """Of a writer whose turn is never asked for, so that no table is called."""
    return Courtesy("main", cast("Table", None), now=lambda: 1_000.0, sleep=lambda _s: None)


def test_a_writer_that_is_alone_goes_first_so_many_times_and_then_asks(courtesy: Courtesy) -> None:
    assert not courtesy.goes_first
    courtesy.asked(None, has_news=False)

    blind = 0
    while courtesy.goes_first:
        courtesy.appends()
        courtesy.committed()
        blind += 1

    assert blind == BLIND_MAX


def test_a_writer_that_has_read_news_asks_again(courtesy: Courtesy) -> None:
    courtesy.asked(None, has_news=True)

    assert not courtesy.goes_first


def test_a_writer_that_meets_another_asks(courtesy: Courtesy) -> None:
    courtesy.saw(b"the other")
    courtesy.committed()
    courtesy.asked(None, has_news=False)

    assert not courtesy.goes_first


def test_one_question_is_enough_where_nobody_is_ahead(courtesy: Courtesy) -> None:
    asked: list[float] = []

    def sync(deadline_s: float) -> list[Record]:
        asked.append(deadline_s)
        return []

    assert courtesy.ready(sync, 1_010.0) == []
    assert asked == [1_010.0]
