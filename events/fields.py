"""The fields that requests of several kinds have."""

import re
from datetime import datetime
from functools import partial

from events import schema

TIMEOUT_MS_MAX = 900_000
PAGE_CHARACTERS_MAX = 255


def _moment(text: str) -> int | datetime:
    """Return the position or the time in a text."""
    if re.fullmatch("[0-9a-f]{16}", text):
        return int(text, 16)
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise ValueError(
            "is neither a time with its offset, as 2026-11-22T10:15:00Z, nor a position, as"
            " `meta.position` of a reply"
        )
    return time


DATABASE = schema.text(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\z")
POSITION = schema.text(pattern=r"^[0-9a-f]{16}\z")
AT_LEAST = schema.then(partial(int, base=16), POSITION)
MOMENT = schema.then(_moment, schema.text())
TIMEOUT_MS = schema.nullable(schema.integer(ge=1, le=TIMEOUT_MS_MAX))
PAGE = schema.nullable(schema.text(min_length=1, max_length=PAGE_CHARACTERS_MAX))
