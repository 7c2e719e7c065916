"""Bugs to plant, each of which breaks one promise: a campaign that misses it tests nothing."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from handler.nodes.right import Right
from handler.service import Service
from hrana import transaction
from hrana.answers import Answers, Commit
from hrana.state import digest_of
from hrana.stream import Stream
from locking import waiting
from locking.lease import Claim, Lease, TableUnavailable
from locking.leases import Leases
from locking.waiting import waits
from sqlatch.kernel.errors import StatementError, StorageError
from sqlexec import idempotency
from sqlexec.database import Database
from sqlexec.statement import IdempotencyKey, Job, Outcome
from storage import connection
from storage.connection import Session
from storage.engine import Freshness, Grant
from storage.inplace.files import Files
from storage.inplace.store import Store
from tests.faults.disk import Fuse

Patch = pytest.MonkeyPatch


def syncs_left_out(patch: Patch) -> None:
    settings = (*connection.SETTINGS, "PRAGMA synchronous = OFF")
    patch.setattr(connection, "SETTINGS", settings)


def journal_in_memory(patch: Patch) -> None:
    """The journal is never in a file, and SQLite's answer to that is not believed."""
    run = Session.run

    def running(self: Session, sql: str, *values: Any) -> Any:
        if sql == "PRAGMA journal_mode = PERSIST":
            run(self, "PRAGMA journal_mode = MEMORY")
            return [("persist",)]
        return run(self, sql, *values)

    patch.setattr(Session, "run", running)


def journal_deleted_before_recovery(patch: Patch) -> None:
    open_journal = Files.open_journal

    def tidying(self: Files, name: str) -> bool:
        if open_journal(self, name):
            self.journal(name).unlink()
        return False

    patch.setattr(Files, "open_journal", tidying)


def committed_after_the_reply(patch: Patch) -> None:
    """It commits before the next read, or when the instance is closed."""
    close, snapshot = Store.close, Store.snapshot

    @contextmanager
    def write_late(
        self: Store, grant: Grant, *, creates: bool = False, **_how: bool
    ) -> Iterator[Any]:
        session = self._writing(grant, creates=creates)
        session.run("BEGIN IMMEDIATE")
        yield SimpleNamespace(connection=session, commit=grant.check)

    def commit(self: Store) -> None:
        if self._writer is not None and self._writer.connection.in_transaction:
            self._writer.run("COMMIT")

    def snapshot_late(self: Store, deadline_s: float, freshness: Freshness) -> Session:
        commit(self)
        return snapshot(self, deadline_s, freshness)

    def closing_late(self: Store) -> None:
        try:
            commit(self)
        finally:
            close(self)

    patch.setattr(Store, "write", write_late)
    patch.setattr(Store, "snapshot", snapshot_late)
    patch.setattr(Store, "close", closing_late)


def each_statement_commits(patch: Patch) -> None:
    @contextmanager
    def write(self: Store, grant: Grant, *, creates: bool = False, **_how: bool) -> Iterator[Any]:
        session = self._writing(grant, creates=creates)
        yield SimpleNamespace(connection=session, commit=grant.check)

    patch.setattr(Store, "write", write)


def lease_not_given_back(patch: Patch) -> None:
    patch.setattr(Leases, "_release", lambda *_arguments, **_until: True)


def lease_abandoned_after_three_tries(patch: Patch) -> None:
    def release(self: Leases, database: str, lock_id: str, *, until_s: float) -> bool:
        for wait_s, _try in zip(waits(self._clock.chance), range(3), strict=False):
            with suppress(TableUnavailable):
                self._table.give_back(database, lock_id)
                return True
            self._clock.sleep(wait_s)
        return False

    patch.setattr(Leases, "_release", release)


def unknown_grant_forgotten(patch: Patch) -> None:
    """A claim of which it is not known whether it was granted is not given back."""
    acquire, release = Leases._acquire, Leases._release
    acquired: set[str] = set()

    def acquiring(self: Leases, *arguments: Any) -> Lease:
        lease = acquire(self, *arguments)
        acquired.add(lease.held.lock_id)
        return lease

    def releasing(self: Leases, database: str, lock_id: str, *, until_s: float) -> bool:
        return lock_id in acquired and release(self, database, lock_id, until_s=until_s)

    patch.setattr(Leases, "_acquire", acquiring)
    patch.setattr(Leases, "_release", releasing)


def contenders_that_see_nobody(patch: Patch) -> None:
    """Each tries as often as if it were alone, and is not told to slow down either."""
    patch.setattr(waiting, "EACH_S", 0.0)
    patch.setattr(waiting, "THROTTLED_FIRST_S", 0.0)


def record_after_the_effect(patch: Patch) -> None:
    """The idempotency record is written in a second transaction."""
    write = Database.write

    def write_then_record(self: Database, job: Job, grant: Grant) -> Outcome:
        assert job.key is not None
        key: IdempotencyKey = job.key
        with self._store.write(grant) as transaction:
            if first := idempotency.find(transaction.connection, key):
                return first
        outcome = write(self, replace(job, key=None), grant)
        reply = job.encoder.reply(outcome.results)
        with self._store.write(grant) as transaction:
            idempotency.keep(transaction.connection, key, reply, self._now())
            transaction.commit()
        return outcome

    patch.setattr(Database, "write", write_then_record)


def record_before_the_effect(patch: Patch) -> None:
    """The key alone is kept, and committed, before the statements run."""
    apply = Database._apply

    def record_then_apply(self: Database, job: Job, session: Session) -> Outcome:
        key = job.key
        assert key is not None
        if first := idempotency.find(session, key):
            return first
        idempotency.keep(session, key, job.encoder.reply([]), self._now())
        session.run("COMMIT")
        session.run("BEGIN IMMEDIATE")
        return apply(self, replace(job, key=None), session)

    patch.setattr(Database, "_apply", record_then_apply)


def repeats_run_again(patch: Patch) -> None:
    patch.setattr(idempotency, "find", lambda _session, _once: None)
    patch.setattr(idempotency, "keep", lambda *_arguments: None)


def failed_commit_acknowledged(patch: Patch) -> None:
    commit = Store._commit

    def committing(self: Store, session: Session) -> None:
        with suppress(StorageError):
            commit(self, session)

    patch.setattr(Store, "_commit", committing)


def failed_commit_called_certain(patch: Patch) -> None:
    """A commit that failed is said to have written nothing."""

    def committing(_self: Store, session: Session) -> None:
        session.run("COMMIT")

    patch.setattr(Store, "_commit", committing)


def storage_called_a_statement_error(patch: Patch) -> None:
    def in_other_words(error: Exception, _database: str, *, refusal: str = "") -> Exception:
        return StatementError(f"{error}{refusal}")

    patch.setattr(connection, "in_our_words", in_other_words)


def lease_kept_after_an_error(patch: Patch) -> None:
    @contextmanager
    def hold(
        self: Leases,
        database: str,
        *,
        holder: str,
        deadline_s: float,
        patience_s: float,
        term: int | None,
    ) -> Iterator[Lease]:
        claim = Claim(database, str(uuid4()), holder, 0.0, deadline_s, term=term)
        lease = self._acquire(claim, deadline_s, patience_s, None)
        yield lease
        lease.released = self._release(database, lease.held.lock_id, until_s=deadline_s)

    patch.setattr(Leases, "hold", hold)


def replaced_file_never_noticed(patch: Patch) -> None:
    patch.setattr(Store, "close_if_moved", lambda _self: None)


def grants_not_checked(patch: Patch) -> None:
    _change_grants(patch, lambda grant, _lease: replace(grant, check=lambda: None))


def grants_checked_without_the_deadline(patch: Patch) -> None:
    _change_grants(patch, lambda grant, lease: replace(grant, check=lease.check))


def _change_grants(patch: Patch, change: Callable[[Grant, Lease], Grant]) -> None:
    grant_of = Service._grant

    def changed(self: Service, lease: Lease, deadline_s: float, right: Right) -> Grant:
        return change(grant_of(self, lease, deadline_s, right), lease)

    patch.setattr(Service, "_grant", changed)


def takeover_opens_no_journal(patch: Patch) -> None:
    patch.setattr(Store, "recover", lambda _self, _grant: False)


def purge_takes_young_records(patch: Patch) -> None:
    purge = idempotency.purge
    patch.setattr(
        idempotency, "purge", lambda session, _before_s, now_s: purge(session, now_s + 1, now_s)
    )


def fuse_that_never_blows(patch: Patch) -> None:
    patch.setattr(Fuse, "step", lambda _self: None)


def answers_before_a_commit_not_kept(patch: Patch) -> None:
    record = Answers.record

    def recording(
        self: Answers, *arguments: Any, **stream: Any
    ) -> tuple[IdempotencyKey | None, str]:
        self._new = []
        return record(self, *arguments, **stream)

    patch.setattr(Answers, "record", recording)


def rowid_forgotten_after_a_repeat(patch: Patch) -> None:
    commit_of = Commit.from_json

    def forgetting(content: str) -> Commit:
        return replace(commit_of(content), last_insert_rowid=0)

    patch.setattr(Commit, "from_json", forgetting)


def conditions_looked_at_again(patch: Patch) -> None:
    patch.setattr(Stream, "has_run", lambda _self, _index: None)


def commits_of_a_repeat_not_looked_up(patch: Patch) -> None:
    patch.setattr(Answers, "look_up", lambda *_arguments: None)


def digest_without_affected_row_count(patch: Patch) -> None:
    _leave_out_of_the_digest("affected_row_count", patch)


def digest_without_last_insert_rowid(patch: Patch) -> None:
    _leave_out_of_the_digest("last_insert_rowid", patch)


def digest_without_rows(patch: Patch) -> None:
    _leave_out_of_the_digest("rows", patch)


def _leave_out_of_the_digest(name: str, patch: Patch) -> None:
    patch.setattr(transaction, "digest_of", lambda outcome: digest_of({**outcome, name: None}))
