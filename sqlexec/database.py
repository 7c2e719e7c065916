"""One database by name: what its statements do, reading them, writing them, all or nothing."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from sqlatch.kernel.errors import SqlatchError, StatementError
from sqlexec import idempotency
from sqlexec.batch import apply_each
from sqlexec.execute import execute_all
from sqlexec.interactive import NOT_CREATED, Interactive, not_found
from sqlexec.plan import Plans
from sqlexec.statement import GrantNeeded, Job, Kind, Outcome, Result, Statement
from storage.connection import Session
from storage.engine import FAILURES, NEWEST, Freshness, Grant, Position, Store, WriteTransaction
from storage.scratch import Scratch
from storage.translate import DatabaseReplaced, WriteRefused, moved_meanwhile

if TYPE_CHECKING:
    from sqlexec.outflow import Begin
    from sqlexec.versions import ReadIn
    from storage.version import Version

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

    def read(self, job: Job, deadline_s: float) -> Outcome:
        """Run statements that only read, in one snapshot; GrantNeeded if one of them writes.

        Which they do SQLite says in the same visit, or has said before of the same texts. Where a
        position is waited for, that is over before GrantNeeded is raised, so that nobody else waits
        for a lease meanwhile.
        """
        return self._again_if_moved(self._read, job, deadline_s, self._read_in)

    def read_unless(
        self, job: Job, is_known: Callable[["Version"], bool], deadline_s: float
    ) -> Outcome:
        """Do the same, with the version of the state; Unchanged if that is known."""
        from sqlexec.versions import ReadUnless

        read = ReadUnless(is_known, self._store, self._read_in)
        return self._again_if_moved(self._read, job, deadline_s, read)

    def read_page(self, job: Job, page: str, deadline_s: float) -> Outcome:
        """Read a page of a statement: see `pages`."""
        from sqlexec.pages import read_page

        return read_page(self.interactive, job, page, now=self._now, deadline_s=deadline_s)

    def read_into(self, job: Job, begin: "Begin", deadline_s: float) -> Outcome:
        """Read a statement, whose rows go into the file that `begin` makes; ReadOnly if it writes.

        Where the read has to be begun again, so has the file.
        """
        from sqlexec.outflow import read_into

        read = partial(read_into, job, begin, self._plans)
        return self._again_if_moved(self._on_reader, read, deadline_s, job.freshness)

    def write(self, job: Job, grant: Grant) -> Outcome:
        """Run the statements in one transaction, and only once if the job has a key."""

        def apply(begun: AbstractContextManager[WriteTransaction]) -> Outcome:
            with begun as transaction:
                outcome = self._apply(job, transaction.connection)
                transaction.commit()
                return outcome

        def write() -> Outcome:
            exists = self._store.exists()
            if not exists:
                with closing(self._scratch(grant.deadline_s)) as scratch:
                    apply(scratch.write())
            return apply(self._store.write(grant, creates=not exists))

        return self._again_if_moved(write)

    def write_each(self, jobs: Sequence[Job], grant: Grant) -> list[Outcome | SqlatchError | None]:
        """Run several jobs in one transaction, where one that fails undoes only itself.

        An error stands for its job, None for one that was not run since its group had failed.
        """
        apply = partial(
            apply_each, jobs, apply=self._apply, deadline_s=grant.deadline_s, now=self._now
        )

        def write() -> list[Outcome | SqlatchError | None]:
            exists = self._store.exists()
            if not exists:
                with closing(self._scratch(grant.deadline_s)) as scratch:
                    rehearsed = apply(begin=scratch.write)
                if not any(isinstance(outcome, Outcome) for outcome in rehearsed):
                    return rehearsed
            return apply(begin=partial(self._store.write, grant, creates=not exists))

        return self._again_if_moved(write)

    def vacuum(self, sql: str, grant: Grant) -> Outcome:
        """Run a VACUUM, a transaction of its own."""
        self._again_if_moved(self._if_it_exists, self._store.vacuum, sql, grant)
        return Outcome([Result((), [], 0, 0, None)], wrote=True)

    def recover(self, grant: Grant) -> bool:
        """Make the database readable again, or for the first time; it need not exist.

        Return whether a killed writer had left something to undo.
        """
        return self._again_if_moved(self._store.recover, grant)

    def copy_out(self, copy: Path, deadline_s: float) -> None:
        """Write one state of the database to a new file; KeepsChanging."""
        self._if_it_exists(self._store.copy_out, copy, deadline_s)

    def replace(self, copy: Path, grant: Grant) -> None:
        """Replace the content of the database by that of a file."""
        self.close()
        self._if_it_exists(self._store.replace, copy, grant)

    def remove(self, grant: Grant, if_state: str | None) -> str:
        """Delete the database; DatabaseChanged if it is not in that state. Return what is kept."""
        from sqlexec.pages import check_state

        self.close()
        return self._again_if_moved(
            self._if_it_exists, self._store.remove, grant, partial(check_state, if_state)
        )

    def bring_back(self, kept: str, grant: Grant) -> None:
        """Bring a copy that a deletion has kept back under this name."""
        self.close()
        self._store.bring_back(kept, grant)

    @property
    def position(self) -> Position | None:
        """The position of the state that was read or made last, None if the engine keeps none."""
        return self._store.position

    def exists(self) -> bool:
        """Return whether the database exists now."""
        return self._store.exists(at_once=True)

    def has_records_before(self, before_s: float, deadline_s: float) -> bool:
        """Return whether an idempotency record is older than that."""

        def is_due(session: Session) -> bool:
            return idempotency.is_due(session, before_s, self._now())

        return self._again_if_moved(self._on_reader, is_due, deadline_s)

    def purge_records(self, before_s: float, grant: Grant) -> int:
        """Delete a bounded number of idempotency records older than that. Returns how many."""

        def purge() -> int:
            with self._store.write(grant) as transaction:
                purged = idempotency.purge(transaction.connection, before_s, self._now())
                transaction.commit()
                return purged

        return self._again_if_moved(self._if_it_exists, purge)

    @cached_property
    def interactive(self) -> Interactive:
        """The same database for transactions whose statements come one by one."""
        return Interactive(
            self._store, plans=self._plans, now=self._now, may_create=self._may_create
        )

    def release_memory(self) -> None:
        """Free the pages of the database that are kept; the connections stay open."""
        self._store.release_memory()
        if "interactive" in self.__dict__:
            self.interactive.release_memory()

    def close(self) -> None:
        """Close the connections; the next request opens them again."""
        self._store.close()
        if "interactive" in self.__dict__:
            # Made anew when it is asked for: its file system is gone with it.
            self.__dict__.pop("interactive").close()

    def _read(self, job: Job, deadline_s: float, read_in: "ReadIn") -> Outcome:
        kind = self._plans.kind(job.statements)
        if kind is None and not self._store.exists():
            kind = self._kind_in_memory(job.statements, deadline_s)
        if kind is None or kind is Kind.READ:
            return self._on_reader(partial(read_in, job, kind), deadline_s, job.freshness)
        if job.freshness.at_least:
            self._on_reader(lambda _session: None, deadline_s, job.freshness)
        raise GrantNeeded("a statement writes", kind)

    def _kind_in_memory(self, statements: Sequence[Statement], deadline_s: float) -> Kind | None:
        """Return what the statements do; an empty database stands for one that is not there yet."""
        with closing(self._empty(deadline_s)) as scratch:
            try:
                return self._plans.kind(statements, scratch.connection)
            except StatementError as error:
                if "sqlite_code" in error.facts and "offset" not in error.facts:
                    raise not_found(self._store.name, str(error)) from error
                raise

    def _read_in(self, job: Job, kind: Kind | None, session: Session) -> Outcome:
        kind = kind or self._plans.kind(job.statements, session)
        if kind is not None and kind is not Kind.READ:
            raise GrantNeeded("a statement writes", kind)
        try:
            if len(job.statements) == 1:
                return Outcome(execute_all(job, session, self._plans), wrote=False)
            session.run("BEGIN")
            try:
                return Outcome(execute_all(job, session, self._plans), wrote=False)
            finally:
                session.finish("ROLLBACK")
        except WriteRefused as error:
            for statement in job.statements:
                self._plans.turns_out_to_write(statement)
            raise GrantNeeded(str(error)) from error

    def _apply(self, job: Job, session: Session) -> Outcome:
        if job.key and (first := idempotency.find(session, job.key)):
            return first
        outcome = Outcome(execute_all(job, session, self._plans), wrote=True)
        if job.key:
            has_reply = job.key.fingerprint is not None
            reply = job.encoder.reply(outcome.results) if has_reply else None
            idempotency.keep(session, job.key, reply, self._now())
        return outcome

    def _scratch(self, deadline_s: float) -> Scratch:
        """Return an empty database to rehearse the first write in, if it may make one."""
        if not self._may_create:
            raise not_found(self._store.name, NOT_CREATED)
        return self._empty(deadline_s)

    def _empty(self, deadline_s: float) -> Scratch:
        return Scratch(
            self._store.name, table=idempotency.TABLE, now=self._now, deadline_s=deadline_s
        )

    def _on_reader(
        self, apply: Callable[[Session], T], deadline_s: float, freshness: Freshness = NEWEST
    ) -> T:
        if not self._store.exists():
            raise not_found(self._store.name)
        try:
            session = self._store.snapshot(deadline_s, freshness)
            try:
                return apply(session)
            except StatementError:
                # A schema that is allowed to be old refuses nothing: not a write to a new table.
                if self._store.max_age_s if freshness.max_age_s is None else freshness.max_age_s:
                    session = self._store.snapshot(deadline_s, replace(freshness, max_age_s=0))
                if session.schema_has_changed():
                    return apply(session)
                raise
        except FAILURES:
            self._store.close()
            raise

    def _if_it_exists(
        self, action: Callable[P, T], /, *arguments: P.args, **options: P.kwargs
    ) -> T:
        if not self._store.exists():
            raise not_found(self._store.name)
        return action(*arguments, **options)

    def _again_if_moved(
        self, action: Callable[P, T], /, *arguments: P.args, **options: P.kwargs
    ) -> T:
        """Run `action`; where the file was moved away, run it again on what is there now."""
        try:
            return action(*arguments, **options)
        except DatabaseReplaced:
            self._store.close()
        try:
            return action(*arguments, **options)
        except DatabaseReplaced as error:
            raise moved_meanwhile(error) from error
