"""The leader: the node where writes are made, as each process of a node knows it.

`SQLATCH_LEADER` names that node, or the cluster whose lease says it. The lease is held by a process
of the server (`candidacy.py`), which keeps the `StandingFile`; a process beside no server asks the
lease table itself, and never leads.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from math import inf
from typing import TYPE_CHECKING, Any

from handler.nodes.right import Right
from handler.nodes.standing import Standing, StandingFile, standing_of
from handler.settings import Settings
from locking.clock import Clock
from sqlatch.kernel.errors import BadEvent, LeaderUnreachable, LeaseLost, StorageError
from storage.nodes import ForLeader

if TYPE_CHECKING:
    from handler.record import Record
    from locking.leader import LeaderTable, Term
    from sqlatch.kernel.node import Nodes

ASKED_S = 1.0
"""How long an answer of the lease table is believed by a process that asks it itself."""

SEEN_S = 3.0
"""The age at which the file is believed no more: it is written anew every half a second."""

WRITES_S = 5.0
"""How long a node that steps down waits for its running writes; later ones are refused."""

CHECK_S = 0.01


class Leading:
    """The leader as one process knows it."""

    def __init__(
        self, settings: Settings, *, clock: Clock, open_table: Callable[[], "LeaderTable"]
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._open_table = open_table
        self._nodes: dict[str, Nodes] = {}
        self._asked: tuple[float, Term | None] | None = None

    @cached_property
    def table(self) -> "LeaderTable":
        return self._open_table()

    @cached_property
    def file(self) -> StandingFile:
        settings = self._settings
        try:
            return StandingFile(
                settings.copies_directory, f"{settings.leader} {settings.log} {settings.node}"
            )
        except OSError as error:
            raise StorageError(
                f"the directory of the copies: {error.strerror}: {error.filename}",
                errno=error.errno,
            ) from error

    @property
    def leads(self) -> bool:
        """Return whether this node leads."""
        if self._settings.cluster is None:
            return self._settings.leader == self._settings.node
        return self._is_ours(self._standing())

    @contextmanager
    def writing(self, record: "Record") -> Iterator[Right]:
        """The right to write, inside; ForLeader if another node has it.

        LeaderUnreachable if nobody has it at the moment. LeaseLost in a request that has written
        before, and so cannot be sent on as a whole.
        """
        if self._settings.cluster is None:
            if not self.leads:
                raise ForLeader
            yield Right()
            return
        with ExitStack() as stack:
            try:
                stack.enter_context(self.file.writing())
            except BlockingIOError:
                raise _nobody("the node that leads is handing over to another one") from None
            standing = self._standing()
            if standing.steps_down:
                raise _nobody("the node that leads is handing over to another one")
            if not self._is_ours(standing):
                if record.term is not None:
                    raise self._lost(record.term)
                self.url()
                raise ForLeader
            record.term = standing.number

            def check() -> None:
                now = self.file.read()
                if now.number != standing.number or not self._is_ours(now):
                    raise self._lost(standing.number)

            yield Right(standing.number, check)

    def url(self) -> str:
        """Return the URL of the node that leads; LeaderUnreachable if none does."""
        if self._settings.cluster is None:
            return self._settings.leader
        standing = self._standing()
        if not standing.node:
            raise _nobody(f"no node leads the cluster {self._settings.cluster!r} at the moment")
        if standing.node == self._settings.node and not self._is_ours(standing):
            raise _nobody(f"{standing.node} was the leader, or is about to be")
        return standing.node

    def nodes(self) -> "Nodes":
        """Return the node that leads, to send a request to."""
        from sqlatch.kernel.node import Nodes

        url = self.url()
        if url not in self._nodes:
            self._nodes[url] = Nodes([url], self._settings.log_token)
        return self._nodes[url]

    def told(self) -> dict[str, Any]:
        """Return who leads, since when, until when at least, and which term that is."""
        if self._settings.cluster is None:
            role = "leader" if self.leads else "follower"
            return {"role": role, "leader": self._settings.leader}
        standing = self._standing()
        return {
            "role": "leader" if self._is_ours(standing) else "follower",
            "leader": standing.node or None,
            "term": standing.number,
            "since": _time(standing.since_s),
            "until": _time(standing.renewed_s + standing.duration_s),
        }

    def move(self, to: str) -> None:
        """Step down, in favour of a node, or of any other (""). ForLeader if another node leads."""
        from locking.leader import hand_over
        from locking.lease import TableUnavailable

        cluster = self._settings.cluster
        if cluster is None:
            raise BadEvent(
                "the leader is the one that SQLATCH_LEADER names: change that", field="leader"
            )
        if to == self._settings.node and self.leads:
            return
        with self.file.locked():
            standing = self._standing()
            if not self._is_ours(standing):
                self.url()
                raise ForLeader
            self.file.write(replace(standing, steps_down=True))
            self._wait_for_writes()
            resigned_s = 0.0 if to else self._clock.boot() + standing.duration_s
            ended = replace(
                standing, until_boot_s=0.0, until_s=0.0, resigned_until_boot_s=resigned_s
            )
            self.file.write(ended)
            try:
                hand_over(self.table, cluster, standing.version, to, now=self._clock.now)
            except TableUnavailable as error:
                raise StorageError(f"the lease table does not answer: {error}") from error
            self.file.write(replace(ended, node=to))

    def _wait_for_writes(self) -> None:
        until_s = self._clock.boot() + WRITES_S
        while self._clock.boot() < until_s:
            try:
                with self.file.alone():
                    return
            except BlockingIOError:
                self._clock.sleep(CHECK_S)

    def _standing(self) -> Standing:
        standing = self.file.read()
        if self._is_ours(standing):
            return standing
        is_another = standing.node not in ("", self._settings.node)
        if is_another and self._clock.boot() - standing.seen_boot_s < SEEN_S:
            return standing
        return self._asked_itself(standing.number)

    def _asked_itself(self, seen: int) -> Standing:
        """Return who leads by the table. An answer before the term that this node has seen is no
        longer believed."""
        from locking.lease import TableUnavailable

        now_s = self._clock.boot()
        asked_s, term = self._asked or (-inf, None)
        if now_s - asked_s > ASKED_S or (term is not None and term.number < seen):
            try:
                term = self.table.leader(self._settings.cluster or "")
            except TableUnavailable as error:
                raise _nobody(f"the lease table does not answer: {error}") from error
            self._asked = (now_s, term)
        return Standing() if term is None else standing_of(term)

    def _is_ours(self, standing: Standing) -> bool:
        return self._clock.boot() < standing.until_boot_s and self._clock.now() < standing.until_s

    def _lost(self, term: int) -> LeaseLost:
        return LeaseLost(
            f"{self._settings.node} no longer leads: term {term} is over; nothing was written"
        )


def _nobody(why: str) -> LeaderUnreachable:
    return LeaderUnreachable(f"{why}: try again", leader="", outcome="nothing")


def _time(at_s: float) -> str | None:
    if not at_s:
        return None
    text = datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
