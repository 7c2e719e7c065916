"""The link to a file with a whole result, which the service has written for its caller."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlatch.failures import UnexpectedAnswer


@dataclass(frozen=True, slots=True)
class Link:
    """A file that anybody may get by its `url`, without a token, until `ends_at` at the latest.

    `format` is csv, jsonl, csv.gz or jsonl.gz, and `bytes` the length of the file. `truncated` says
    that `rows_max` cut it.
    """

    url: str = field(repr=False)
    format: str
    bytes: int
    rows: int
    ends_at: datetime
    columns: tuple[str, ...]
    truncated: bool = False
    meta: Mapping[str, Any] = field(default_factory=dict)


def link_of(reply: Mapping[str, Any]) -> Link:
    """Return the link in a reply; UnexpectedAnswer if it is none."""
    try:
        link = reply["link"]
        return Link(
            link["url"],
            link["format"],
            link["bytes"],
            link["rows"],
            datetime.fromisoformat(link["ends_at"]),
            tuple(reply["columns"]),
            reply.get("truncated", False),
            reply["meta"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnexpectedAnswer(
            f"a link was asked for, and the answer has none: {error!r}"
        ) from error
