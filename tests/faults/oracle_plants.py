"""Bugs to plant, each of which makes the handler answer otherwise than plain SQLite does."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import apsw
import pytest

from sqlexec import execute, plan
from sqlexec.execute import _Changes
from sqlexec.plan import Plan
from sqlexec.statement import Kind
from storage import connection
from storage.connection import _NO_VALUES, Look, Session
from storage.engine import Grant
from storage.inplace.store import Store

Patch = pytest.MonkeyPatch


def foreign_keys_off(patch: Patch) -> None:
    patch.setattr(connection, "SETTINGS", connection.SETTINGS[1:])


def changes_of_an_earlier_statement(patch: Patch) -> None:
    patch.setattr(Session, "changes", True)


def changes_of_triggers_counted(patch: Patch) -> None:
    patch.setattr(execute, "_Changes", _AllChanges)


def a_failed_request_not_rolled_back(patch: Patch) -> None:
    patch.setattr(Store, "write", _committed_anyway)


def a_kept_statement_asked_what_it_does(patch: Patch) -> None:
    """Of one that is prepared already, SQLite asks the authorizer nothing."""
    prepare = Session.prepare

    def preparing(self: Session, sql: str, look: Look, *, can_cache: bool) -> None:
        prepare(self, sql, look, can_cache=True)

    patch.setattr(Session, "prepare", preparing)
    patch.setattr(plan, "PLAN_BYTES_MAX", 10_000)


def explains_kept(patch: Patch) -> None:
    """EXPLAIN is run by the schema of when it was prepared."""
    prepare = plan._prepare

    def preparing(sql: str, on: Session) -> Plan:
        return replace(prepare(sql, on), inspects=on.inspects)

    patch.setattr(plan, "_prepare", preparing)


def listings_kept(patch: Patch) -> None:
    """The bytecode of each write is listed, by a statement that is kept."""
    prepare = plan._prepare

    def preparing(sql: str, on: Session) -> Plan:
        found = prepare(sql, on)
        if found.kind is Kind.WRITE:
            with on.user(sql) as cursor:
                cursor.execute(sql, _NO_VALUES, explain=1).fetchall()
        return found

    patch.setattr(plan, "_prepare", preparing)
    patch.setattr(plan, "PLAN_BYTES_MAX", 10_000)


PLANTED: dict[str, Callable[[Patch], None]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        foreign_keys_off,
        changes_of_an_earlier_statement,
        changes_of_triggers_counted,
        a_failed_request_not_rolled_back,
        a_kept_statement_asked_what_it_does,
        explains_kept,
        listings_kept,
    )
}


class _AllChanges(_Changes):
    """Those of triggers too."""

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self._before = connection.total_changes()

    def total(self) -> int:
        return self._connection.total_changes() - self._before


@contextmanager
def _committed_anyway(
    store: Store, grant: Grant, *, creates: bool = False, **_how: bool
) -> Iterator[Any]:
    session = store._writing(grant, creates=creates)
    session.run("BEGIN IMMEDIATE")
    try:
        yield SimpleNamespace(connection=session, commit=lambda: None)
    finally:
        if session.connection.in_transaction:
            session.run("COMMIT")
