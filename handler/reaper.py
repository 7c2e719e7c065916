"""The reaper, once a minute: clears leases that nobody gave back, recovers, purges old records.

It tidies and reports. Nobody waits for it: an expired lease is taken over by the next writer.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from handler.log import Logged
from handler.managing import KEPT_DAYS
from handler.query import REPLY_RESERVE_S, Context
from handler.record import Record
from handler.service import Service, service
from sqlatch.kernel.errors import SqlatchError
from storage.nodes import ForLeader

DATABASE_S = 5.0
"""The longest time for one database, before the reaper goes on to the next."""

PAUSE_S = 0.1
"""Between two purges of one database, in which a writer that waits for its lease gets it."""

SECONDS_A_DAY = 86_400


def lambda_handler(_event: Any, context: Context) -> dict[str, Any]:
    """Run the reaper on its schedule; the report is returned, and in the log."""
    with Logged(Record(function_request_id=context.aws_request_id, door="schedule")) as record:
        record.kind = "reap"
        time_left_s = context.get_remaining_time_in_millis() / 1000 - REPLY_RESERVE_S
        return reap(service(), record, ends_at_s=service().clock.now() + time_left_s)


def reap(service: Service, record: Record, *, ends_at_s: float) -> dict[str, Any]:
    """Go through the leases, then the databases; what was done, and what could not be."""
    failures: list[dict[str, Any]] = []
    reaped: list[str] = []
    if not service.tends:
        return _report(record, reaped, 0, 0, failures)
    for database in _expired(service):
        with _noting(database, record, failures):
            _reap_lease(service, database, record, ends_at_s)
            reaped.append(database)
    record.leases_reaped = len(reaped)
    streams_cleared = 0
    with _noting("(streams)", record, failures):
        # What streams of libSQL clients left, once no baton can name it.
        streams_cleared = service.stream_files.clear(service.clock.now())
    with _noting("(deleted)", record, failures):
        kept_s = KEPT_DAYS * 24 * 3600
        service.databases.forget_deleted(service.clock.now() - kept_s)
    names = service.databases.names()
    _tend_in_turn(service, names, record, failures, ends_at_s)
    service.note_work(record)
    return _report(record, reaped, streams_cleared, len(names), failures)


def _report(
    record: Record,
    reaped: Sequence[str],
    streams_cleared: int,
    databases: int,
    failures: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "leases_reaped": reaped,
        "hot_journals_recovered": record.hot_journals_recovered,
        "records_purged": record.records_purged,
        "streams_cleared": streams_cleared,
        "databases": databases,
        "databases_reached": record.databases_reached,
        "failures": failures,
    }


def _tend_in_turn(
    service: Service,
    names: Sequence[str],
    record: Record,
    failures: list[dict[str, Any]],
    ends_at_s: float,
) -> None:
    """See to each database, in turn over the runs, and purge in those where it is due.

    Where not all can be reached, half of the time is for seeing to them, half for purging.
    """
    turn = service.turn
    waiting = deque(turn.order(names))
    if not waiting:
        return
    with _noting("(turn)", record, failures):
        # Beforehand, so that one on which the process dies is the first only once.
        turn.served(waiting[0])
    now_s = service.clock.now()
    half_s = now_s + (ends_at_s - now_s) / 2
    due: list[str] = []
    served = waiting[-1]
    while waiting and service.clock.now() < (half_s if due else ends_at_s):
        served = waiting.popleft()
        record.databases_reached += 1
        with _noting(served, record, failures):
            if _is_due(service, served, record, ends_at_s):
                due.append(served)
            service.databases.tend(served, ends_at_s)
    unserved = _purge_each(service, due, record, failures, ends_at_s)
    if unserved or waiting:
        with _noting("(turn)", record, failures):
            # The first who waits for a purge is the next.
            turn.served(names[names.index(unserved[0]) - 1] if unserved else served)


def _purge_each(
    service: Service,
    due: Sequence[str],
    record: Record,
    failures: list[dict[str, Any]],
    ends_at_s: float,
) -> Sequence[str]:
    """Purge some records of each, round after round; those that time left no turn for."""
    waiting = deque(due)
    turns = 0
    while waiting and service.clock.now() < ends_at_s:
        name = waiting.popleft()
        turns += 1
        with _noting(name, record, failures):
            if _purge(service, name, record, ends_at_s):
                waiting.append(name)
        if waiting and waiting[0] == name:
            service.clock.sleep(PAUSE_S)
    return due[turns:]


def _expired(service: Service) -> list[str]:
    now_s = service.clock.now()
    return [held.database for held in service.held_leases() if held.is_expired(now_s)]


def _reap_lease(service: Service, name: str, record: Record, ends_at_s: float) -> None:
    """Take the lease over, as a writer would, recover what its holder left, and give it back."""
    deadline_s = min(service.clock.now() + DATABASE_S, ends_at_s)
    with service.writing(name, record, deadline_s):
        pass  # taken over, so recovered


def _is_due(service: Service, name: str, record: Record, ends_at_s: float) -> bool:
    """See that the database can be read; whether it has records that are past their time."""
    deadline_s = min(service.clock.now() + DATABASE_S, ends_at_s)
    return service.recovering(
        name,
        record,
        deadline_s,
        lambda: service.databases.get(name).has_records_before(_past(service), deadline_s),
    )


def _purge(service: Service, name: str, record: Record, ends_at_s: float) -> bool:
    """Purge a bounded number of records under the lease; whether there are more."""
    deadline_s = min(service.clock.now() + DATABASE_S, ends_at_s)

    def purge() -> bool:
        database = service.databases.get(name)
        with service.writing(name, record, deadline_s) as grant:
            purged = database.purge_records(_past(service), grant)
        record.records_purged += purged
        return purged > 0 and database.has_records_before(_past(service), deadline_s)

    return service.recovering(name, record, deadline_s, purge)


def _past(service: Service) -> float:
    """Until when a record must have been made to be purged."""
    return service.clock.now() - service.settings.idempotency_days * SECONDS_A_DAY


@contextmanager
def _noting(name: str, record: Record, failures: list[dict[str, Any]]) -> Iterator[None]:
    """One database that fails does not keep the others from their turn."""
    try:
        yield
    except ForLeader:
        pass  # another node has begun to lead, and tends them
    except SqlatchError as error:
        record.note_each(error, name)
        failures.append({"database": name, **error.body()})
