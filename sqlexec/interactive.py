"""Transactions of one database whose statements come one by one, on connections of their own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from sqlexec import idempotency
from sqlexec.plan import Plans
from sqlexec.transaction import Transaction
from storage.connection import Session
from storage.engine import Grant
from storage.inplace.store import Store
from storage.pins import Pins
from storage.translate import Moved, moved_meanwhile


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
        """Return whether the database is there now."""
        self._store.close_if_moved()
        return self._store.exists()

    @contextmanager
    def reading(self, deadline_s: float, *, foreign_keys: bool = True) -> Iterator[Transaction]:
        """A transaction in one snapshot, which cannot write.

        Where there is no database yet, an empty one in memory stands for it: it can be written, and
        not committed.
        """
        if self._store.exists():
            with _named_if_moved(), self._store.closed_on_failure():
                session = self._store.reading(deadline_s)
                with _begun(session, "BEGIN", foreign_keys=foreign_keys):
                    yield self._transaction(session, None)
            return
        if not self._may_create:
            raise self._store.not_found("and is not to be created: SQLATCH_CREATE")
        with (
            closing(self._store.scratch(deadline_s)) as session,
            _begun(session, "BEGIN", foreign_keys=foreign_keys),
        ):
            yield self._transaction(session, None, rehearses=True)

    @contextmanager
    def writing(
        self, grant: Grant, *, creates: bool, foreign_keys: bool = True
    ) -> Iterator[Transaction]:
        """A transaction that may be committed.

        It `creates` the database only where that was rehearsed.
        """
        with _named_if_moved(), self._store.closed_on_failure():
            session = self._store.writing(grant, creates=creates and self._may_create)
            with _begun(session, "BEGIN IMMEDIATE", foreign_keys=foreign_keys):
                idempotency.forget_changes(session)
                yield self._transaction(session, lambda: self._store.commit(session, grant))

    def give_back(self) -> None:
        self._store.give_back()

    def close(self) -> None:
        self._store.close()
        self._pins.close()

    def _transaction(
        self, session: Session, commit: Callable[[], None] | None, *, rehearses: bool = False
    ) -> Transaction:
        return Transaction(
            session,
            plans=self._plans,
            pins=self._pins,
            writes=rehearses or commit is not None,
            commit=commit,
            now=self._now,
        )


@contextmanager
def _named_if_moved() -> Iterator[None]:
    try:
        yield
    except Moved as error:
        raise moved_meanwhile(error) from error


@contextmanager
def _begun(session: Session, begin: str, *, foreign_keys: bool) -> Iterator[None]:
    if not foreign_keys:
        session.run("PRAGMA foreign_keys = OFF")
    try:
        session.run(begin)
        try:
            session.load_schema()
            yield
        finally:
            if session.connection.in_transaction:
                session.finish("ROLLBACK")
    finally:
        if not foreign_keys:
            session.run("PRAGMA foreign_keys = ON")
