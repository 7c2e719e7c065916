"""The reaper, once a minute: clears leases that nobody gave back, recovers, purges old records.

It tidies and reports. Nobody waits for it: an expired lease is taken over by the next writer.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from handler.log import Record, logged
from handler.query import REPLY_RESERVE_S, Context
from handler.service import Service, service
from sqlatch.errors import SqlatchError

DATABASE_S = 5.0
"""What the reaper spends on one database at most, before it goes on to the next."""

SECONDS_A_DAY = 86_400


def lambda_handler(_event: Any, context: Context) -> dict[str, Any]:
    """What the schedule calls; the report is returned, and in the log."""
    with logged(Record(function_request_id=context.aws_request_id, door="schedule")) as record:
        record.kind = "reap"
        time_left_s = context.get_remaining_time_in_millis() / 1000 - REPLY_RESERVE_S
        return reap(service(), record, ends_at_s=service().clock.now() + time_left_s)


def reap(service: Service, record: Record, *, ends_at_s: float) -> dict[str, Any]:
    """Go through the leases, then the databases; what was done, and what could not be."""
    failures: list[dict[str, Any]] = []
    reaped = []
    for database in _expired(service):
        with _noting(database, record, failures):
            _reap_lease(service, database, record, ends_at_s)
            reaped.append(database)
    record.leases_reaped = len(reaped)
    streams_cleared = 0
    with _noting("(streams)", record, failures):
        streams_cleared = _clear_streams(service)
    names = _in_turn(service.databases.files.sizes_bytes(), service.clock.now())
    for name in names:
        if service.clock.now() >= ends_at_s:
            break
        with _noting(name, record, failures):
            _tend(service, name, record, ends_at_s)
    return {
        "leases_reaped": reaped,
        "hot_journals_recovered": record.hot_journals_recovered,
        "records_purged": record.records_purged,
        "streams_cleared": streams_cleared,
        "failures": failures,
    }


def _expired(service: Service) -> list[str]:
    now_s = service.clock.now()
    return [held.database for held in service.leases.held() if held.is_expired(now_s)]


def _reap_lease(service: Service, name: str, record: Record, ends_at_s: float) -> None:
    """Take the lease over, as a writer would, recover what its holder left, and give it back."""
    deadline_s = min(service.clock.now() + DATABASE_S, ends_at_s)
    with service.lease(name, record, deadline_s) as (_lease, gate):
        if service.databases.files.exists(name):
            recovered = service.databases.get(name).recover(deadline_s, gate)
            record.hot_journals_recovered += recovered


def _tend(service: Service, name: str, record: Record, ends_at_s: float) -> None:
    """See that the database can be read, and purge the records that are past their time."""
    deadline_s = min(service.clock.now() + DATABASE_S, ends_at_s)
    before_s = service.clock.now() - service.settings.idempotency_days * SECONDS_A_DAY

    def purge() -> None:
        database = service.databases.get(name)
        if database.has_records_before(before_s, deadline_s):
            with service.lease(name, record, deadline_s) as (lease, gate):
                record.records_purged += database.purge_records(
                    before_s, deadline_s, gate, taken_over=lease.taken_over
                )

    service.recovering(name, record, deadline_s, purge)


def _clear_streams(service: Service) -> int:
    """Clear the logs that streams of libSQL clients left, once no baton can name them; how many."""
    from hrana.shelf import Shelf

    return Shelf(service.settings.databases).clear(service.clock.now())


def _in_turn(names: Iterable[str], now_s: float) -> list[str]:
    """The names, beginning with another one each minute: time may run out before the last."""
    ordered = list(names)
    start = int(now_s // 60) % max(len(ordered), 1)
    return ordered[start:] + ordered[:start]


@contextmanager
def _noting(name: str, record: Record, failures: list[dict[str, Any]]) -> Iterator[None]:
    """One database that fails does not keep the others from their turn."""
    try:
        yield
    except SqlatchError as error:
        record.note(error)
        failures.append({"database": name, **error.body()})
