"""Lambda instances one after the other on one directory, with a clock that only they move."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from events.request import QueryEvent, parse
from events.sqs import unwrap
from handler.health import health
from handler.messages import answer_messages
from handler.reaper import reap
from handler.record import Record
from handler.service import Service
from handler.streams import answer_direct
from handler.turn import NoteInFile, Turn
from hrana.baton import Batons
from hrana.directory import StreamFiles
from locking.clock import Clock
from locking.lease import Claim, HeldLease, LeaseTable, TableUnavailable, Taken
from locking.leases import Leases
from locking.sqlite import SQLiteTable
from sqlatch.kernel.errors import DatabaseNotFound
from tests.faults.disk import Crash, Fuse
from tests.faults.engines import IN_PLACE, Kept

T = TypeVar("T")

STARTED_AT_S = 1_800_000_000.0
INVOCATION_S = 29.0

State = dict[str, Any]
"""The schema, and the rows of each table: what no crash may leave half changed."""


@dataclass(slots=True)
class Time:
    """Seconds that pass only when somebody sleeps."""

    now_s: float = STARTED_AT_S

    def clock(self) -> Clock:
        return Clock(now=lambda: self.now_s, sleep=self.pass_by, chance=lambda: 0.5)

    def pass_by(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass(slots=True)
class LostAnswers:
    """Loses an answer of the lease table, or all from that one on; `arrives`: it was done."""

    at: int = 0
    arrives: bool = True
    lasting: bool = False
    seen: int = 0
    lost: int = 0

    def pass_on(self, call: Callable[[], T]) -> T:
        self.seen += 1
        if self.at == 0 or not (self.seen == self.at or (self.lasting and self.seen > self.at)):
            return call()
        self.lost += 1
        if self.arrives:
            call()
        raise TableUnavailable("the answer was lost")


class FusedTable:
    """A lease table that a crashed process reaches no more, and whose answers may be lost."""

    def __init__(self, table: LeaseTable, fuse: Fuse, lost: LostAnswers) -> None:
        self._table = table
        self._fuse = fuse
        self._lost = lost

    def take(self, claim: Claim) -> Taken | HeldLease:
        self._fuse.step()
        return self._lost.pass_on(lambda: self._table.take(claim))

    def give_back(self, database: str, lock_id: str) -> None:
        self._fuse.step()
        self._lost.pass_on(lambda: self._table.give_back(database, lock_id))
        self._fuse.step()

    def held(self) -> list[HeldLease]:
        return self._table.held()

    def close(self) -> None:
        """The table outlives its instances."""


@dataclass
class Machine:
    """The directory, the lease table and the time: what is there before and after an instance."""

    directory: Path
    time: Time = field(default_factory=Time)
    table: SQLiteTable = field(default_factory=lambda: SQLiteTable(Path(":memory:")))
    kept: Kept = IN_PLACE

    @property
    def streams(self) -> Path:
        """Where batons have their key, and the reaper its turn: beside the disk that crashes."""
        path = self.directory.with_name(self.directory.name + "-streams")
        path.mkdir(exist_ok=True)
        return path

    def start(self, fuse: Fuse | None = None, lost: LostAnswers | None = None) -> "Instance":
        """A new instance, which crashes when the fuse blows."""
        service = Service(self.kept.settings(self.directory), clock=self.time.clock())
        table = FusedTable(self.table, fuse or Fuse(), lost or LostAnswers())
        service.__dict__["leases"] = Leases(table, clock=service.clock)
        service.__dict__["batons"] = Batons(StreamFiles(self.streams))
        service.__dict__["turn"] = Turn(NoteInFile(self.streams))
        return Instance(service)

    @property
    def leases(self) -> list[HeldLease]:
        return self.table.held()

    def put_leases(self, leases: list[HeldLease]) -> None:
        """Have these leases stand, as another machine's table has them."""
        for held in leases:
            claim = Claim(
                held.database, held.lock_id, held.holder, held.acquired_at_s, held.expires_at_s
            )
            self.table.take(claim)

    def close(self) -> None:
        self.table.close()


class Instance:
    """One instance of the function."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.record = Record("request", "direct")

    def ask(self, **fields: Any) -> dict[str, Any]:
        """The reply to a request as its caller reads it, but for what differs with each run."""
        request = parse(fields)
        assert isinstance(request, QueryEvent)
        reply = self.service.answer(request, self.record, ends_at_s=self._ends_at_s())
        reply.pop("meta")
        return dict(json.loads(json.dumps(reply)))

    def deliver(
        self, messages: Mapping[str, Mapping[str, Any]], *, group: str | None = None
    ) -> list[str]:
        """Those of a batch of messages, by their ids, that failed."""
        attributes = {} if group is None else {"MessageGroupId": group}
        records = [
            {"messageId": key, "body": json.dumps(body), "attributes": attributes}
            for key, body in messages.items()
        ]
        batch = unwrap({"Records": records})
        return answer_messages(self.service, batch, self.record, ends_at_s=self._ends_at_s())

    def pipeline(self, *requests: Any, **event: Any) -> dict[str, Any]:
        """The reply to a libSQL client, whose `event` may have a baton or an idempotency key."""
        pipeline = {"baton": event.pop("baton", None), "requests": list(requests)}
        reply = answer_direct(
            self.service, {"pipeline": pipeline, **event}, self.record, ends_at_s=self._ends_at_s()
        )
        return dict(json.loads(json.dumps(reply)))

    def health(self) -> dict[str, Any]:
        return health(self.service)

    def reap(self) -> dict[str, Any]:
        return reap(self.service, self.record, ends_at_s=self._ends_at_s())

    def state(self) -> State:
        """Check the database, and return its content; empty if there is none."""
        try:
            checked = self.ask(
                statements=[
                    {"query": "PRAGMA integrity_check"},
                    {"query": "PRAGMA foreign_key_check"},
                    {
                        "query": "SELECT name, type, sql FROM sqlite_schema WHERE sql NOT NULL"
                        " AND tbl_name NOT LIKE 'sqlatch%' ORDER BY name"
                    },
                ]
            )["results"]
        except DatabaseNotFound:
            return {}
        integrity, foreign_keys, schema = (result["rows"] for result in checked)
        assert (integrity, foreign_keys) == ([["ok"]], []), f"malformed: {integrity}"
        state: State = {name: sql for name, _type, sql in schema}
        for name, kind, _sql in schema:
            if kind == "table":
                state[f"rows of {name}"] = self.ask(query=f"SELECT rowid, * FROM {name}")["rows"]
        return state

    def close(self) -> None:
        self.service.close()

    def abandon(self) -> None:
        """Have the operating system take back what a dead process held: its files and locks."""
        with suppress(Crash):
            self.service.databases.close()

    def _ends_at_s(self) -> float:
        return self.service.clock.now() + INVOCATION_S
