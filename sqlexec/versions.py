"""A read whose answer is kept by its caller: run only if the database has changed since."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlexec.statement import Job, Kind, Outcome
from storage.connection import Cursor, Session
from storage.determinism import is_determined
from storage.engine import Store
from storage.version import Version

ReadIn = Callable[[Job, Kind | None, Session], Outcome]


class Unchanged(Exception):
    """The caller knows the answer: it follows from this version."""

    def __init__(self, version: Version) -> None:
        super().__init__("the database has not changed")
        self.version = version


@dataclass(frozen=True, slots=True)
class ReadUnless:
    """A way to read one statement that has the version which the answer follows from, if any.

    Unchanged if the caller `is_known` to have that answer: then the statement is not even prepared.
    """

    is_known: Callable[[Version], bool]
    store: Store
    read_in: ReadIn

    def __call__(self, job: Job, kind: Kind | None, session: Session) -> Outcome:
        (statement,) = job.statements
        with session.transaction("BEGIN"):
            version = self.store.version()
            if version.text and self.is_known(version):
                raise Unchanged(version)
            outcome = self.read_in(job, kind, session)
            if version.text and not _is_determined(statement.sql, session):
                version = replace(version, text="")
            return replace(outcome, version=version)


def _is_determined(sql: str, session: Session) -> bool:
    """Ask it of the statement on this very state, in which a view has one meaning."""
    is_explain = False

    def look(cursor: Cursor, _sql: str, _values: object) -> bool:
        nonlocal is_explain
        is_explain = bool(cursor.is_explain)
        return False

    session.prepare(sql, look, can_cache=False)
    return not is_explain and is_determined(session)
