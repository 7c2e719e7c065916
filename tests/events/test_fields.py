"""The fields of several kinds of requests."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from events import schema
from events.fields import MOMENT

moment = schema.parser_by(MOMENT, strict=True)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("000000000000000a", 10),
        ("2026-11-22T10:15:00Z", datetime(2026, 11, 22, 10, 15, tzinfo=UTC)),
        (
            "2026-11-22T10:15:00.5+02:00",
            datetime(2026, 11, 22, 10, 15, 0, 500_000, timezone(timedelta(hours=2))),
        ),
    ],
)
def test_a_moment_is_a_position_or_a_time_with_its_offset(text: str, meant: object) -> None:
    assert moment(text) == meant


@pytest.mark.parametrize("text", ["", "now", "A" * 16, "2026-11-22", "2026-11-22T10:15:00", "10"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(schema.ValidationError, match="neither a time with its offset"):
        moment(text)
