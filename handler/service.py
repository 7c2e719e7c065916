"""The service: the one place where a request, the lease and the execution meet."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from math import inf
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pydantic_core import from_json

from events.reply import Meta, ReplyForm, encoded, with_part
from events.request import QueryEvent
from handler.beside import engine_of, memory_bytes
from handler.job import job_of, reply_of
from handler.nodes.right import Right, right_of
from handler.parts import Parts
from handler.record import Record
from handler.settings import Settings
from locking.clock import Clock
from sqlatch.kernel.errors import DatabaseBusy, LeaseBusy, ReadOnly, Timeout
from sqlexec.databases import Databases
from sqlexec.statement import GrantNeeded, Job, Kind, Outcome
from storage.deadline import within
from storage.engine import Grant, position_text
from storage.memory import limit_memory
from storage.translate import DEADLINE_PASSED, NeedsMemory, Overtaken, RecoveryNeeded

if TYPE_CHECKING:
    from locking.lease import HeldLease, Lease
    from storage.engines import Engine
    from storage.nodes import Tail

P = ParamSpec("P")
T = TypeVar("T")
Run = Callable[[QueryEvent, Job, Record, float], Outcome] | None

RECOVERIES_MAX = 2
"""The most recoveries in one request: more would mean that the database's writers keep dying."""

RECOVERY_CHECK_S = 0.1
"""How long to wait for that lease before checking again whether another has recovered it."""


class Service(Parts):
    """The service of one process: databases kept open, leases, settings, clock."""

    def __init__(
        self, settings: Settings, *, clock: Clock | None = None, engine: "Engine | None" = None
    ) -> None:
        super().__init__(settings, clock or Clock())
        self.databases = Databases(
            engine or engine_of(settings),
            now=self.clock.now,
            may_create=settings.create == "on-write",
        )
        self._holder = f"{os.environ.get('AWS_LAMBDA_FUNCTION_NAME') or socket.gethostname()}"

    def held_leases(self) -> "list[HeldLease]":
        """Return the leases that stand; none where the engine needs none."""
        return self.leases.held() if self.databases.needs_lease else []

    def tail(self, database: str) -> "Tail":
        """The log of a database, for nodes that follow this one."""
        with self.making:
            if database not in self.tails:
                self.tails[database] = self.databases.tail(database)
            return self.tails[database]

    def answer(self, event: QueryEvent, record: Record, *, ends_at_s: float) -> dict[str, Any]:
        """The reply to a request. Nothing of it runs past `ends_at_s`, in epoch seconds."""
        outcome, meta = self.outcome(event, record, ends_at_s, ReplyForm.OBJECTS)
        if outcome.replayed is None:
            return {**reply_of(event, outcome.results), "meta": meta}
        return {**from_json(outcome.replayed), "meta": meta}

    def answer_encoded(
        self, event: QueryEvent, record: Record, *, ends_at_s: float, in_text: bool
    ) -> bytes:
        """The same as JSON; `in_text` if it becomes a text within JSON, which makes it longer."""
        form = ReplyForm.IN_TEXT if in_text else ReplyForm.ENCODED
        outcome, meta = self.outcome(event, record, ends_at_s, form)
        if outcome.replayed is None:
            return encoded({**reply_of(event, outcome.results), "meta": meta})
        return with_part(outcome.replayed, "meta", meta)

    @contextmanager
    def writing(
        self, database: str, record: Record, deadline_s: float, *, patience_s: float = inf
    ) -> Iterator[Grant]:
        """The right to write to a database: its lease, held until the block ends.

        Where a node leads, it is the leader's: ForLeader if that is another one.
        Where the engine needs none, everybody has that right: a commit may be refused (Overtaken).
        Where its last holder never gave it back, the database is recovered first. ReadOnly where
        the service must not write; else as `Leases.hold` says.
        """
        if self.settings.read_only:
            raise ReadOnly.of_statement()
        with right_of(self, record) as right:
            if not self.databases.needs_lease:
                yield self._optimistic_grant(deadline_s, right)
            else:
                with self._under_lease(database, record, deadline_s, patience_s, right) as grant:
                    yield grant

    @property
    def tends(self) -> bool:
        """Return whether the reaper is to see to the databases here, and not at another node."""
        if self.settings.leader:
            return self.leading.leads
        return not self.databases.follows

    @contextmanager
    def _under_lease(
        self, database: str, record: Record, deadline_s: float, patience_s: float, right: Right
    ) -> Iterator[Grant]:
        holder = f"{self._holder}:{record.function_request_id}"
        lease: Lease | None = None
        try:
            with self.leases.hold(
                database,
                holder=holder,
                deadline_s=deadline_s,
                patience_s=patience_s,
                term=right.term,
            ) as lease:
                record.lease_wait_ms = (record.lease_wait_ms or 0) + lease.waited_ms
                record.leases_taken_over += lease.taken_over
                grant = self._grant(lease, deadline_s, right)
                if lease.taken_over:
                    was_hot = self.databases.get(database).recover(grant)
                    record.hot_journals_recovered += was_hot
                yield grant
        finally:
            if lease is not None:
                record.lease_not_released |= not lease.released

    def recovering(
        self,
        database: str,
        record: Record,
        deadline_s: float,
        action: Callable[P, T],
        /,
        *arguments: P.args,
        **options: P.kwargs,
    ) -> T:
        """Return what `action` returns; recover the database and run it again where that is needed.

        One that was overtaken by another commit is run again too, on the state behind that.
        One that has run short of memory is done once more if what is kept open could be freed.
        """
        if self.clock.now() >= deadline_s:
            raise Timeout(DEADLINE_PASSED)
        recoveries, was_short = 0, False
        while True:
            try:
                with within(deadline_s) if self.settings.log else nullcontext():
                    return action(*arguments, **options)
            except RecoveryNeeded as needed:
                if recoveries == RECOVERIES_MAX:
                    message = f"database {database!r} needs recovery again: {needed}"
                    raise DatabaseBusy(message) from needed
                recoveries += self._recover(database, record, deadline_s, needed)
            except Overtaken:
                if self.clock.now() >= deadline_s:
                    raise
            except NeedsMemory:
                if was_short or not self.databases.free_memory():
                    raise
                was_short = True

    def deadline_s(self, timeout_ms: int | None, ends_at_s: float) -> float:
        """Return when a request has to be answered that may take that long, or names no time."""
        timeout_s = (timeout_ms or self.settings.timeout_ms) / 1000
        return min(self.clock.now() + timeout_s, ends_at_s)

    def check_deadline(self, deadline_s: float) -> None:
        if self.clock.now() >= deadline_s:
            raise Timeout(DEADLINE_PASSED)

    def note_work(self, record: Record) -> None:
        """Keep what the request has cost where databases are logs."""
        work = self.databases.work()
        record.records_applied += work.records_applied
        record.attempts += work.attempts
        record.bytes_shipped += work.bytes_shipped
        record.hydration_ms += round(work.hydration_ms, 3)
        record.bytes_fetched += work.bytes_fetched

    def close(self) -> None:
        """Close every file and connection. Lambda never asks for it; a test's end does."""
        self.databases.close()
        if "leases" in self.__dict__:
            self.leases.close()
        if "_followed" in self.__dict__:
            self._followed.close()

    def _optimistic_grant(self, deadline_s: float, right: Right) -> Grant:
        def check() -> None:
            if right.term is not None:
                right.check()
            self.check_deadline(deadline_s)

        return Grant(deadline_s, fence=0, check=check, optimistic=True)

    def _grant(self, lease: "Lease", deadline_s: float, right: Right) -> Grant:
        def check() -> None:
            if right.term is not None:
                right.check()
            lease.check()
            self.check_deadline(deadline_s)

        return Grant(deadline_s, lease.held.fence, check, lease.doubt, lease.settle)

    def outcome(
        self, event: QueryEvent, record: Record, ends_at_s: float, form: ReplyForm, run: Run = None
    ) -> tuple[Outcome, Meta]:
        started_s = self.clock.now()
        job = job_of(event, self.settings, form=form)
        deadline_s = min(started_s + job.limits.timeout_s, ends_at_s)
        record.database = event.database
        record.statements = len(job.statements)
        try:
            outcome = self.recovering(
                event.database, record, deadline_s, run or self._run, event, job, record, deadline_s
            )
        finally:
            if self.settings.log:
                self.note_work(record)
        record.rows = sum(result.rows_count for result in outcome.results)
        record.replayed = outcome.replayed is not None
        meta: Meta = {
            "database": event.database,
            "duration_ms": round((self.clock.now() - started_s) * 1000, 3),
            "wrote": outcome.wrote,
            "lease_wait_ms": record.lease_wait_ms,
            "replayed": outcome.replayed is not None,
        }
        if self.settings.log:
            position = outcome.position or self.databases.get(event.database).position or 0
            record.position = meta["position"] = position_text(position)
            if (age_s := self.databases.age_s(event.database)) is not None:
                meta["age_ms"] = None if age_s == inf else round(age_s * 1000)
        return outcome, meta

    def _run(self, event: QueryEvent, job: Job, record: Record, deadline_s: float) -> Outcome:
        database = self.databases.get(event.database)
        record.kind = Kind.READ.value
        if event.page is not None:
            return database.read_page(job, event.page, deadline_s)
        if event.link is not None:
            from handler.links import read_to_link

            return read_to_link(self, event, job, record, deadline_s)
        try:
            return database.read(job, deadline_s)
        except GrantNeeded as needed:
            kind = needed.kind
        record.kind = kind.value
        if event.at is not None:
            raise ReadOnly.of_the_past()
        if event.read_only:
            raise ReadOnly.of_statement()
        with self.writing(event.database, record, deadline_s) as grant:
            if kind is Kind.VACUUM:
                return database.vacuum(job.statements[0].sql, grant)
            return database.write(job, grant)

    def _recover(
        self, database: str, record: Record, deadline_s: float, needed: RecoveryNeeded
    ) -> bool:
        """Recover the database; False if another holds its lease, who will have to do it too."""
        if self.settings.read_only:
            raise DatabaseBusy(
                f"database {database!r} must be opened by a function that may write, as the reaper"
                f" does every minute: {needed}"
            ) from needed
        try:
            with self.writing(database, record, deadline_s, patience_s=RECOVERY_CHECK_S) as grant:
                was_hot = self.databases.get(database).recover(grant)
        except LeaseBusy as busy:
            if self.clock.now() >= deadline_s:
                raise
            record.lease_wait_ms = (record.lease_wait_ms or 0) + float(busy.facts["waited_ms"] or 0)
            return False
        record.hot_journals_recovered += was_hot
        return True


@cache
def service() -> Service:
    """The service of this process, composed from its environment at the first request."""
    limit_memory(memory_bytes(os.environ))
    return Service(Settings.from_environment(os.environ))
