"""The answers of a request, kept with each of its commits, so that a repeat goes on from the last.

A record has the key of its commit: the name of the request and the place of the commit in it. Its
reply holds all that was answered since the commit before.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from pydantic_core import from_json, to_json

from hrana.refusals import RequestRefused, StatementRefused
from sqlexec.idempotency import Record
from sqlexec.statement import IdempotencyKey
from sqlexec.transaction import Transaction

Index = tuple[int, int, int]
"""The place of a statement: the request of a pipeline, the step of a batch, the statement of a
script."""

Answer = Any
"""An answer as JSON; a list is a refusal: its message and its code."""

T = TypeVar("T")

BEFORE_ALL = (-1, -1, -1)
REQUEST_PREFIX = "stream\t"
TRANSACTION_PREFIX = "transaction\t"
"""A caller's own idempotency keys cannot hold the tab."""

_AFTER_TAB = "\n"


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of a request: its place, the answers up to it, and the stream right after it."""

    index: Index
    answers: list[tuple[Index, Answer]]
    last_insert_rowid: int
    foreign_keys: bool

    @classmethod
    def from_json(cls, content: str) -> "Commit":
        fields = from_json(content)
        fields["index"] = _index(fields["index"])
        fields["answers"] = [(_index(index), answer) for index, answer in fields["answers"]]
        return cls(**fields)


class CommittedBefore(Exception):
    """This request has come before, and made these commits: to be run again with their answers."""

    def __init__(self, commits: list[Commit]) -> None:
        super().__init__("committed before")
        self.commits = commits


@dataclass(frozen=True, slots=True)
class RequestName:
    """The identity of a request: its name tells it from others, its body a repeat from another use.

    `conflict` is raised where the name stands for another request. Without `may_repeat`
    no repeat would have this name. `carried` is the id of the transaction that its baton holds.
    """

    name: str
    fingerprint: bytes
    may_repeat: bool
    carried: str | None
    conflict: Callable[[], RequestRefused]


class Answers:
    """The answers of a request: first those of its `commits` by earlier runs, then the new ones."""

    def __init__(self, request: RequestName, commits: list[Commit]) -> None:
        self._request = request
        self._kept: Mapping[Index, Answer] = dict(
            pair for commit in commits for pair in commit.answers
        )
        self._new: list[tuple[Index, Answer]] = []
        self.has_looked_up = False
        self.last_commit = commits[-1] if commits else None
        self.has_committed = bool(commits)
        self._begun_at = self.last_commit.index if self.last_commit else BEFORE_ALL
        self._committed = self._begun_at

    def has(self, index: Index) -> bool:
        """Return whether an earlier run has answered there, and committed since."""
        return index in self._kept

    def has_passed(self, index: Index) -> bool:
        """Return whether an earlier run has committed there or later."""
        return index <= self._committed

    def at(
        self,
        index: Index,
        answer: Callable[..., Answer],
        *arguments: Any,
        on_kept: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Return the answer at a place: the kept one, or else what `answer` returns, noted.

        `on_kept` is called with one that was kept.
        """
        if index in self._kept:
            kept = self._kept[index]
            if isinstance(kept, list):
                raise StatementRefused(*kept)
            if on_kept is not None:
                on_kept(kept)
            return kept
        try:
            made = answer(*arguments)
        except StatementRefused as refusal:
            self.tell_what_stays(refusal)
            self._note(index, [refusal.message, refusal.code])
            raise
        self._note(index, made)
        return made

    def tell_what_stays(self, refusal: StatementRefused) -> None:
        """Have a refusal say that nothing of its statement was written, not of the request."""
        if self.has_committed:
            refusal.after_a_commit()

    def transaction_id(self, index: Index) -> str:
        """The id of a transaction that begins there, the same in each repeat."""
        return f"{self._request.name}:{_text(index)}"

    def look_up(self, live: Transaction, carried: str | None) -> None:
        """CommittedBefore if the request, or a copy that runs beside it, has committed.

        Called at the first use of the database, and under the lease before each write. With the id
        of a `carried` transaction, for as long as that is open, its commit counts too.
        """
        request = self._request
        if not request.may_repeat or (self.has_looked_up and not live.writes):
            return
        self.has_looked_up = True
        if not self._records(live, self._committed, carried):
            return
        # With those that this run has made itself: the next one begins at the start.
        records = self._records(live, self._begun_at, request.carried)
        if any(record.fingerprint != request.fingerprint for record in records):
            raise request.conflict()
        raise CommittedBefore([Commit.from_json(record.reply) for record in records])

    def record(
        self,
        index: Index,
        answer: Answer,
        last_insert_rowid: int,
        foreign_keys: bool,  # noqa: FBT001 (as it stands in the record)
        *,
        carried: str | None = None,
    ) -> tuple[IdempotencyKey | None, str]:
        """Return the record of a commit that is about to be made, if it has one, and its reply.

        `answer` is the one to the statement that commits.
        """
        request = self._request
        if not request.may_repeat:
            return None, ""
        key = self._key(index) if carried is None else TRANSACTION_PREFIX + carried
        commit = Commit(index, [*self._new, (index, answer)], last_insert_rowid, foreign_keys)
        return IdempotencyKey(key, request.fingerprint), to_json(asdict(commit)).decode()

    def committed(self, index: Index) -> None:
        """The commit was made: what was answered up to it is kept."""
        self._committed = index
        self._new = []
        self.has_committed = True

    def _records(self, live: Transaction, after: Index, carried: str | None) -> list[Record]:
        return live.records(
            after=self._key(after),
            before=REQUEST_PREFIX + self._request.name + _AFTER_TAB,
            also="" if carried is None else TRANSACTION_PREFIX + carried,
        )

    def _key(self, index: Index) -> str:
        return f"{REQUEST_PREFIX}{self._request.name}\t{_text(index)}"

    def _note(self, index: Index, answer: Answer) -> None:
        if self._request.may_repeat and not self.has_passed(index):
            self._new.append((index, answer))


def _index(numbers: list[int]) -> Index:
    request, step, statement = numbers
    return request, step, statement


def _text(index: Index) -> str:
    """A place as a text; texts have the order of the places, BEFORE_ALL comes first."""
    return "{:06d}.{:06d}.{:07d}".format(*index)
