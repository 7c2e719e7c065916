"""Databases as a whole: one is deleted, or brought back, under its lease."""

from typing import Any

from events.whole import ManageEvent
from handler.record import Record
from handler.service import Service

KEPT_DAYS = 7
"""How long the reaper leaves the copy of a database that was deleted."""


def manage(
    service: Service, event: ManageEvent, record: Record, *, ends_at_s: float
) -> dict[str, Any]:
    """Delete a database, or bring it back; the reply says the name of the copy that is kept."""
    record.database, record.kind = event.database, event.manage
    deadline_s = service.deadline_s(event.timeout_ms, ends_at_s)

    def act() -> str:
        database = service.databases.get(event.database)
        with service.writing(event.database, record, deadline_s) as grant:
            if event.kept is None:
                return database.remove(grant, event.if_state)
            database.bring_back(event.kept, grant)
            return event.kept

    kept = service.recovering(event.database, record, deadline_s, act)
    return {"database": event.database, "kept": kept, "kept_days": KEPT_DAYS}
