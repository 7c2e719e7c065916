"""The negative controls: what a promise stands on is taken out, and its test complains."""

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError

from sqlatch.django.base import DatabaseWrapper
from sqlatch.django.connection import Connection
from tests.django import test_lease, test_peers
from tests.django.conftest import Connect, Counter, Hands

pytestmark = [
    pytest.mark.django,
    pytest.mark.parametrize("environment", ["sqlite"], indirect=True),
]

Plant = pytest.MonkeyPatch


def savepoint_forgotten_when_it_is_rolled_back_to(patch: Plant) -> None:
    rollback = DatabaseWrapper._savepoint_rollback

    def rolling_back(self: DatabaseWrapper, sid: str) -> None:
        rollback(self, sid)
        connection = self._leased
        assert connection is not None
        connection.savepoints.remove(sid)

    patch.setattr(DatabaseWrapper, "_savepoint_rollback", rolling_back)


def savepoints_kept_that_a_rollback_ended(patch: Plant) -> None:
    def rolling_back(self: DatabaseWrapper, sid: str) -> None:
        with self._reading_nothing():
            super(DatabaseWrapper, self)._savepoint_rollback(sid)

    patch.setattr(DatabaseWrapper, "_savepoint_rollback", rolling_back)


def busy_timeout_not_restored(patch: Plant) -> None:
    run = Connection._run_ours

    def running(self: Connection, sql: str) -> Any:
        is_last = sql == f"PRAGMA busy_timeout = {self._timeout_ms}"
        return [] if is_last else run(self, sql)

    patch.setattr(Connection, "_run_ours", running)


def the_end_of_a_transaction_not_noticed(patch: Plant) -> None:
    patch.setattr(Connection, "has_ended", property(lambda _self: False))
    patch.setattr(Connection, "check_not_ended", lambda _self: None)


def test_a_savepoint_that_is_forgotten_is_missed(
    connection: DatabaseWrapper, leases: Counter, monkeypatch: Plant
) -> None:
    savepoint_forgotten_when_it_is_rolled_back_to(monkeypatch)

    with pytest.raises(OperationalError, match="no such savepoint"):
        test_lease.test_a_savepoint_that_was_rolled_back_to_is_still_there_after_the_first_write(
            connection, leases
        )


def test_a_savepoint_that_is_kept_is_seen(
    connection: DatabaseWrapper, leases: Counter, monkeypatch: Plant
) -> None:
    savepoints_kept_that_a_rollback_ended(monkeypatch)

    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_lease.test_a_savepoint_within_one_that_was_rolled_back_to_is_gone(connection)


def test_a_wait_for_locks_that_is_not_restored_is_seen(
    connect: Connect, connection: DatabaseWrapper, monkeypatch: Plant
) -> None:
    busy_timeout_not_restored(monkeypatch)

    with pytest.raises(AssertionError, match="60000"):
        test_lease.test_after_a_transaction_locks_are_waited_for_as_long_as_before(
            "commit", connect, connection
        )


def test_an_end_of_a_transaction_that_is_not_noticed_is_seen(
    hands: Hands, directory: Path, connection: DatabaseWrapper, monkeypatch: Plant
) -> None:
    the_end_of_a_transaction_not_noticed(monkeypatch)

    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        test_peers.test_a_signal_sent_robustly_does_not_hide_that_the_lease_was_lost(
            hands, directory / "main.db"
        )
