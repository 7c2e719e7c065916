"""Several jobs in one transaction: a savepoint for each, so that a failure undoes only itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, SqlatchError, StorageError
from sqlexec.statement import Job, Outcome
from storage.connection import Session
from storage.engine import WriteTransaction

Outcomes = list[Outcome | SqlatchError | None]

NOT_ITS_OWN = (StorageError, DatabaseCorrupt, DatabaseBusy)
"""Failures of the database, not of one job: all of them fail."""


def apply_each(
    jobs: Sequence[Job],
    *,
    begin: Callable[[], AbstractContextManager[WriteTransaction]],
    apply: Callable[[Job, Session], Outcome],
    deadline_s: float,
    now: Callable[[], float],
) -> Outcomes:
    """Apply the jobs in order; the outcome of each, None where its group had failed before it.

    Some failures undo a whole transaction (ON CONFLICT ROLLBACK, an interrupted write). Then it is
    run again without the one that failed, at most once for each job.
    """
    failures: dict[int, SqlatchError] = {}
    for _attempt in range(len(jobs) + 1):
        try:
            with begin() as transaction:
                session = transaction.connection
                outcomes: Outcomes = []
                failed_groups: set[str | None] = set()
                for index, job in enumerate(jobs):
                    if job.group is not None and job.group in failed_groups:
                        outcomes.append(None)
                        continue
                    session.deadline_s = min(deadline_s, now() + job.limits.timeout_s)
                    outcome = failures.get(index) or _in_savepoint(index, job, session, apply)
                    if isinstance(outcome, SqlatchError):
                        failed_groups.add(job.group)
                    outcomes.append(outcome)
                session.deadline_s = deadline_s
                transaction.commit()
                return outcomes
        except _UndoneError as undone:
            failures[undone.index] = undone.error
    raise AssertionError("each attempt settles one more job")


class _UndoneError(Exception):
    """A job failed and took the transaction with it."""

    def __init__(self, index: int, error: SqlatchError) -> None:
        self.index = index
        self.error = error


def _in_savepoint(
    index: int, job: Job, session: Session, apply: Callable[[Job, Session], Outcome]
) -> Outcome | SqlatchError:
    session.run("SAVEPOINT job")
    try:
        outcome = apply(job, session)
    except NOT_ITS_OWN:
        raise
    except SqlatchError as error:
        if not session.connection.in_transaction:
            raise _UndoneError(index, error) from error
        session.finish("ROLLBACK TO job")
        session.finish("RELEASE job")
        return error
    session.finish("RELEASE job")
    return outcome
