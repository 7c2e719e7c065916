"""Several works in one transaction: a savepoint for each, so that a failure undoes only itself."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, SqlatchError, StorageError
from sqlexec.statement import Outcome, Work
from storage.connection import Session
from storage.engine import WriteTransaction

Outcomes = list[Outcome | SqlatchError | None]

NOT_ITS_OWN = (StorageError, DatabaseCorrupt, DatabaseBusy)
"""Failures of the database, not of the work that met them: they fail all."""


def apply_each(
    works: Sequence[Work],
    *,
    begin: Callable[[], AbstractContextManager[WriteTransaction]],
    apply: Callable[[Work, Session], Outcome],
    deadline_s: float,
    now: Callable[[], float],
) -> Outcomes:
    """Apply the works in order; the outcome of each, None where its group had failed before it.

    Some failures undo a whole transaction (ON CONFLICT ROLLBACK, an interrupted write). Then it is
    run again without the one that failed, at most once for each work.
    """
    failures: dict[int, SqlatchError] = {}
    for _attempt in range(len(works) + 1):
        try:
            with begin() as transaction:
                session = transaction.connection
                outcomes: Outcomes = []
                failed_groups: set[str | None] = set()
                for index, work in enumerate(works):
                    if work.group is not None and work.group in failed_groups:
                        outcomes.append(None)
                        continue
                    session.deadline_s = min(deadline_s, now() + work.limits.timeout_s)
                    outcome = failures.get(index) or _in_savepoint(index, work, session, apply)
                    if isinstance(outcome, SqlatchError):
                        failed_groups.add(work.group)
                    outcomes.append(outcome)
                session.deadline_s = deadline_s
                transaction.commit()
                return outcomes
        except _UndoneError as undone:
            failures[undone.index] = undone.error
    raise AssertionError("each attempt settles one more work")


class _UndoneError(Exception):
    """A work failed and took the transaction with it."""

    def __init__(self, index: int, error: SqlatchError) -> None:
        self.index = index
        self.error = error


def _in_savepoint(
    index: int, work: Work, session: Session, apply: Callable[[Work, Session], Outcome]
) -> Outcome | SqlatchError:
    session.run("SAVEPOINT work")
    try:
        outcome = apply(work, session)
    except NOT_ITS_OWN:
        raise
    except SqlatchError as error:
        if not session.connection.in_transaction:
            raise _UndoneError(index, error) from error
        session.finish("ROLLBACK TO work")
        session.finish("RELEASE work")
        return error
    session.finish("RELEASE work")
    return outcome
