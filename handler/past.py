"""The history of a database: which of its states can be read, and another one made of one."""

from typing import Any

from events.whole import BranchEvent, HistoryEvent
from handler.job import moment_of
from handler.nodes.right import right_of
from handler.record import Record
from handler.service import Service
from sqlatch.kernel.errors import ReadOnly
from storage.engine import Commit, Position, position_text, time_text


def history(
    service: Service, event: HistoryEvent, record: Record, *, ends_at_s: float
) -> dict[str, Any]:
    """Return the newest commits that can be read, newest first."""
    record.database, record.kind = event.database, "history"
    commits = service.databases.history(
        event.database,
        before=None if event.before is None else Position(event.before),
        most=event.most,
        deadline_s=service.deadline_s(event.timeout_ms, ends_at_s),
    )
    record.rows = len(commits)
    return {"database": event.database, "commits": [_told(commit) for commit in commits]}


def branch(
    service: Service, event: BranchEvent, record: Record, *, ends_at_s: float
) -> dict[str, Any]:
    """Make another database of a state; return the position of that."""
    record.database, record.kind = event.database, "branch"
    if service.settings.read_only:
        raise ReadOnly.of_statement()
    moment = None if event.at is None else moment_of(event.at, service.settings)
    deadline_s = service.deadline_s(event.timeout_ms, ends_at_s)
    with right_of(service, record):
        position = service.databases.branch(event.database, event.branch, moment, deadline_s)
    record.position = position_text(position)
    return {"database": event.database, "branch": event.branch, "position": record.position}


def _told(commit: Commit) -> dict[str, Any]:
    return {
        "position": position_text(commit.position),
        "at": time_text(commit.at_ms),
        "bytes": commit.size_bytes,
    }
