"""Transactions of one database whose statements come one by one, on connections of their own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from sqlatch.kernel.errors import DatabaseNotFound
from sqlexec import idempotency
from sqlexec.idempotency import TABLE
from sqlexec.plan import Plans
from sqlexec.transaction import Transaction
from storage.connection import Session
from storage.engine import NEWEST, Freshness, Grant, Moment, Position, Store, closed_on_failure
from storage.pins import Pins
from storage.scratch import Scratch
from storage.translate import DatabaseReplaced, moved_meanwhile

NOT_CREATED = "and is not to be created: SQLATCH_CREATE"


class Interactive:
    """Transactions that are run again until they commit; time and chance are pinned in them.

    Deadlines are in epoch seconds. Like `Database` it may raise RecoveryNeeded, when a transaction
    begins. Whatever was not committed at the end of the `with` is rolled back.
    """

    def __init__(
        self, store: Store, *, plans: Plans, now: Callable[[], float], may_create: bool
    ) -> None:
        self._pins = Pins()
        self._store = store.pinned(self._pins)
        self._plans = plans
        self._now = now
        self._may_create = may_create

    def exists(self) -> bool:
        """Return whether the database exists now."""
        return self._store.exists(at_once=True)

    def reach(self, freshness: Freshness, deadline_s: float) -> None:
        """Wait until there is a state that is fresh enough; Timeout."""
        if not self._store.exists():
            raise not_found(self._store.name)
        with _named_if_moved(), closed_on_failure(self._store):
            self._store.snapshot(deadline_s, freshness)

    @property
    def position(self) -> Position | None:
        """The position of the state that was read or made last, None if the engine keeps none."""
        return self._store.position

    @property
    def name(self) -> str:
        return self._store.name

    def is_known_to_write(self, sql: str) -> bool:
        """Return True if the statement was seen before, and is one that writes."""
        return self._plans.is_known_to_write(sql)

    @contextmanager
    def reading(
        self,
        deadline_s: float,
        *,
        rehearses: bool = True,
        foreign_keys: bool = True,
        at: Moment | None = None,
    ) -> Iterator[Transaction]:
        """A transaction in one snapshot, the newest or that of a moment, which cannot write.

        Where there is no database yet, an empty one in memory stands for it. A transaction that
        `rehearses` can write there, and is not committed.
        """
        if self._store.exists():
            with _named_if_moved(), closed_on_failure(self._store):
                freshness = NEWEST if at is None else Freshness(at=at)
                session = self._store.snapshot(deadline_s, freshness)
                with session.transaction("BEGIN", foreign_keys=foreign_keys):
                    yield self._transaction(session, None, state=self._store.state)
            return
        if not self._may_create:
            raise not_found(self._store.name, NOT_CREATED)
        scratch = Scratch(
            self._store.name, table=TABLE, now=self._now, deadline_s=deadline_s, pins=self._pins
        )
        with (
            closing(scratch),
            scratch.connection.transaction("BEGIN", foreign_keys=foreign_keys),
        ):
            yield self._transaction(scratch.connection, None, rehearses=rehearses)

    @contextmanager
    def writing(
        self, grant: Grant, *, creates: bool, foreign_keys: bool = True
    ) -> Iterator[Transaction]:
        """A transaction that may be committed.

        It `creates` the database only where that was rehearsed.
        """
        creates = creates and self._may_create
        with (
            _named_if_moved(),
            self._store.write(grant, creates=creates, foreign_keys=foreign_keys) as transaction,
        ):
            idempotency.forget_changes(transaction.connection)
            yield self._transaction(transaction.connection, transaction.commit)

    def release_memory(self) -> None:
        self._store.release_memory()

    def close(self) -> None:
        self._store.close()
        self._pins.close()

    def _transaction(
        self,
        session: Session,
        commit: Callable[[], object] | None,
        *,
        rehearses: bool = False,
        state: Callable[[], str] = str,
    ) -> Transaction:
        return Transaction(
            session,
            plans=self._plans,
            pins=self._pins,
            writes=rehearses or commit is not None,
            commit=commit,
            now=self._now,
            state=state,
        )


@contextmanager
def _named_if_moved() -> Iterator[None]:
    try:
        yield
    except DatabaseReplaced as error:
        raise moved_meanwhile(error) from error


def not_found(name: str, why: str = "") -> DatabaseNotFound:
    """Return the error of a database that does not exist."""
    said = f" ({why})" if why else ""
    return DatabaseNotFound(f"database {name!r} does not exist{said}", database=name)
