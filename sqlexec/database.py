"""One database by name: what its statements do, reading them, writing them, all or nothing."""

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property, partial
from pathlib import Path
from typing import ParamSpec, TypeVar

from sqlatch.kernel.errors import SqlatchError, StatementError, StorageError
from sqlexec import idempotency
from sqlexec.batch import apply_each
from sqlexec.execute import execute_all
from sqlexec.interactive import Interactive
from sqlexec.plan import Plans
from sqlexec.statement import Kind, Outcome, Result, Statement, Work, Writes
from storage.connection import Session
from storage.engine import Grant
from storage.inplace import copies
from storage.inplace.store import FILE_FAILURES, Store
from storage.translate import Moved, WriteRefused, moved_meanwhile

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """One database. Deadlines are in epoch seconds; what writes asks for a grant.

    Every method may raise RecoveryNeeded: then call `recover`, and the method again.
    """

    def __init__(self, store: Store, *, plans: Plans, now: Callable[[], float], may_create: bool):
        self._store = store
        self._plans = plans
        self._now = now
        self._may_create = may_create

    def read(self, work: Work, deadline_s: float) -> Outcome:
        """Run statements that only read, in one snapshot; Writes if one of them writes.

        Which they do SQLite says in the same visit, or has said before of the same texts.
        """
        return self._again_if_moved(self._read, work, deadline_s)

    def write(self, work: Work, grant: Grant) -> Outcome:
        """Run the statements in one transaction, and only once if the work says so."""

        def apply(session: Session) -> Outcome:
            with self._store.transaction(session, grant):
                return self._apply(work, session)

        def write() -> Outcome:
            exists = self._store.exists()
            if not exists:
                self._rehearse(apply, grant.deadline_s)
            return self._on_writer(apply, grant, creates=not exists)

        return self._again_if_moved(write)

    def write_each(
        self, works: Sequence[Work], grant: Grant
    ) -> list[Outcome | SqlatchError | None]:
        """Run several works in one transaction, where one that fails undoes only itself.

        An error stands for its work, None for one that was not run since its group had failed.
        """

        def apply(session: Session) -> list[Outcome | SqlatchError | None]:
            return apply_each(
                works,
                session,
                transaction=lambda: self._store.transaction(session, grant),
                apply=self._apply,
                deadline_s=grant.deadline_s,
                now=self._now,
            )

        def write() -> list[Outcome | SqlatchError | None]:
            exists = self._store.exists()
            if not exists:
                rehearsed = self._rehearse(apply, grant.deadline_s)
                if not any(isinstance(outcome, Outcome) for outcome in rehearsed):
                    return rehearsed
            return self._on_writer(apply, grant, creates=not exists)

        return self._again_if_moved(write)

    def vacuum(self, work: Work, grant: Grant) -> Outcome:
        """Run VACUUM: a transaction of its own, with SQLite's exclusive lock from its start."""

        def apply(session: Session) -> Outcome:
            # In memory the copy would be as large as the database.
            session.run("PRAGMA temp_store = FILE")
            try:
                grant.check()
                session.run(work.statements[0].sql)
            finally:
                session.run("PRAGMA temp_store = MEMORY")
            return Outcome([Result((), [], 0, 0, None)], wrote=True)

        return self._on_writer_that_exists(apply, grant)

    def recover(self, grant: Grant) -> bool:
        """Make the database readable again, or for the first time.

        Returns whether a journal was hot.
        """
        with self._store.closed_on_failure():
            return self._again_if_moved(self._store.recover, grant)

    def copy_out(self, copy: Path, deadline_s: float) -> None:
        """Write one moment of the database to a new file; copies.KeepsChanging as it says."""
        if not self._store.exists():
            raise self._store.not_found()
        with self._store.closed_on_failure():
            copies.copy_out(lambda: self._store.reading(deadline_s), copy)

    def has_records_before(self, before_s: float, deadline_s: float) -> bool:
        """Return whether an idempotency record is older than that."""

        def is_due(session: Session) -> bool:
            return idempotency.is_due(session, before_s, self._now())

        return self._again_if_moved(self._on_reader, is_due, deadline_s)

    def purge_records(self, before_s: float, grant: Grant) -> int:
        """Delete a bounded number of idempotency records older than that. Returns how many."""

        def apply(session: Session) -> int:
            with self._store.transaction(session, grant):
                return idempotency.purge(session, before_s, self._now())

        return self._on_writer_that_exists(apply, grant)

    @cached_property
    def interactive(self) -> Interactive:
        """The same database for transactions whose statements come one by one."""
        return Interactive(
            self._store, plans=self._plans, now=self._now, may_create=self._may_create
        )

    def give_back(self) -> None:
        """Free the pages of the file that are kept; the connections stay open."""
        self._store.give_back()
        if "interactive" in self.__dict__:
            self.interactive.give_back()

    def close(self) -> None:
        self._store.close()
        if "interactive" in self.__dict__:
            self.interactive.close()

    def _read(self, work: Work, deadline_s: float) -> Outcome:
        kind = self._plans.kind(work.statements)
        if kind is None and not self._store.exists():
            kind = self._kind_in_memory(work.statements, deadline_s)
        if kind is None or kind is Kind.READ:
            return self._on_reader(partial(self._read_in, work, kind), deadline_s)
        raise Writes("a statement writes", kind)

    def _kind_in_memory(self, statements: Sequence[Statement], deadline_s: float) -> Kind | None:
        """Return what the statements do; an empty database stands for one that is not there yet."""
        with closing(self._store.scratch(deadline_s)) as scratch:
            try:
                return self._plans.kind(statements, scratch)
            except StatementError as error:
                if "sqlite_code" in error.facts and "offset" not in error.facts:
                    raise self._store.not_found(str(error)) from error
                raise

    def _read_in(self, work: Work, kind: Kind | None, session: Session) -> Outcome:
        kind = kind or self._plans.kind(work.statements, session)
        if kind is not None and kind is not Kind.READ:
            raise Writes("a statement writes", kind)
        try:
            if len(work.statements) == 1:
                return Outcome(execute_all(work, session, self._plans), wrote=False)
            session.run("BEGIN")
            try:
                return Outcome(execute_all(work, session, self._plans), wrote=False)
            finally:
                session.finish("ROLLBACK")
        except WriteRefused as error:
            for statement in work.statements:
                self._plans.turns_out_to_write(statement)
            raise Writes(str(error)) from error

    def _apply(self, work: Work, session: Session) -> Outcome:
        if work.once and (first := idempotency.find(session, work.once)):
            return first
        outcome = Outcome(execute_all(work, session, self._plans), wrote=True)
        if work.once:
            has_reply = work.once.fingerprint is not None
            reply = work.encoder.reply(outcome.results) if has_reply else None
            idempotency.keep(session, work.once, reply, self._now())
        return outcome

    def _rehearse(self, apply: Callable[[Session], T], deadline_s: float) -> T:
        """Run the first write of a database in memory, so that one that fails makes no file."""
        if not self._may_create:
            raise self._store.not_found("and is not to be created: SQLATCH_CREATE")
        with closing(self._store.scratch(deadline_s)) as scratch:
            return apply(scratch)

    def _on_reader(self, apply: Callable[[Session], T], deadline_s: float) -> T:
        if not self._store.exists():
            raise self._store.not_found()
        try:
            session = self._store.reading(deadline_s)
            try:
                return apply(session)
            except StatementError:
                if session.schema_has_changed():
                    return apply(session)
                raise
        except FILE_FAILURES:
            self._store.close()
            raise

    def _on_writer_that_exists(self, apply: Callable[[Session], T], grant: Grant) -> T:
        def write() -> T:
            if not self._store.exists():
                raise self._store.not_found()
            return self._on_writer(apply, grant, creates=False)

        return self._again_if_moved(write)

    def _on_writer(self, apply: Callable[[Session], T], grant: Grant, *, creates: bool) -> T:
        with self._store.closed_on_failure():
            try:
                return apply(self._store.writing(grant, creates=creates))
            except WriteRefused as error:
                raise StorageError(f"the database file cannot be written: {error}") from error

    def _again_if_moved(
        self, action: Callable[P, T], /, *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Run `action`; where the file was moved away, run it again on what is there now."""
        try:
            return action(*arguments, **options)
        except Moved:
            self._store.close()
        try:
            return action(*arguments, **options)
        except Moved as error:
            raise moved_meanwhile(error) from error
