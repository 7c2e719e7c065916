"""Requests about a database as a whole, or about the service: none of them has statements."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from events import schema
from events.fields import AT_LEAST, DATABASE, MOMENT, PAGE, TIMEOUT_MS

COMMITS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class HealthEvent:
    """The question whether the service is well."""

    health: Literal[True]


@dataclass(frozen=True, slots=True)
class ManageEvent:
    """The removal of a database as a whole, or its return. `kept` names what the removal has kept.

    With `if_state` it is removed only in that state: `page.state` of a reply.
    """

    manage: Literal["delete", "undelete"]
    database: str
    kept: str | None = None
    if_state: str | None = None
    timeout_ms: int | None = None

    def __post_init__(self) -> None:
        if (self.manage == "undelete") != (self.kept is not None):
            raise ValueError("`kept` is for undelete, which needs it")
        if self.manage == "undelete" and self.if_state is not None:
            raise ValueError("`if_state` is for delete")


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """The question which states of a database can be read: the newest `most`, before a position."""

    history: Literal[True]
    database: str
    before: int | None = None
    most: int = 100
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class BranchEvent:
    """Another database, `branch`, of the state that a database has, or had `at` a moment."""

    branch: str
    database: str
    at: int | datetime | None = None
    timeout_ms: int | None = None


@dataclass(frozen=True, slots=True)
class LeaderEvent:
    """The question which node leads, or the order that the node `to` shall, or any other one.

    It is about no database; a client that always names one may.
    """

    leader: Literal["show", "move"]
    to: str | None = None
    database: str = "main"
    timeout_ms: int | None = None

    def __post_init__(self) -> None:
        if self.leader == "show" and self.to is not None:
            raise ValueError("`to` is for move")


_parse_manage = schema.parser(
    ManageEvent,
    strict=True,
    manage=schema.one_of(["delete", "undelete"]),
    database=DATABASE,
    kept=schema.nullable(schema.text(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}\.[0-9A-Za-z-]{1,40}\z")),
    if_state=PAGE,
    timeout_ms=TIMEOUT_MS,
)
_parse_history = schema.parser(
    HistoryEvent,
    strict=True,
    history=schema.one_of([True]),
    database=DATABASE,
    before=schema.nullable(AT_LEAST),
    most=schema.integer(ge=1, le=COMMITS_MAX),
    timeout_ms=TIMEOUT_MS,
)
_parse_branch = schema.parser(
    BranchEvent,
    strict=True,
    branch=DATABASE,
    database=DATABASE,
    at=schema.nullable(MOMENT),
    timeout_ms=TIMEOUT_MS,
)
_parse_health = schema.parser(HealthEvent, strict=True, health=schema.one_of([True]))
_parse_leader = schema.parser(
    LeaderEvent,
    strict=True,
    leader=schema.one_of(["show", "move"]),
    to=schema.nullable(schema.text(pattern=r"^https?://[^\s,]{1,500}\z")),
    database=DATABASE,
    timeout_ms=TIMEOUT_MS,
)

KINDS: dict[str, tuple[type, Any]] = {
    "health": (HealthEvent, _parse_health),
    "manage": (ManageEvent, _parse_manage),
    "history": (HistoryEvent, _parse_history),
    "branch": (BranchEvent, _parse_branch),
    "leader": (LeaderEvent, _parse_leader),
}
"""The kinds of requests that are none of statements, by the field that tells them."""
