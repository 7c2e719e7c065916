"""DB-API 2.0 as others read it: the compliance suite `dbapi-compliance`, over both transports."""

import unittest
from typing import Any

import dbapi20
import pytest

from sqlatch import dbapi

ALSO_OVER_A_REPLICA = True
EXCEPTIONS = {
    "test_nextset": "a statement of SQLite has one result, so a cursor has no nextset (optional)",
    "test_setoutputsize": "the suite leaves it to the driver; rows come whole, nothing is reserved",
    "test_non_idempotent_close": "closing twice is no error, as in sqlite3; PEP 249 asks for none",
}
"""Tests of the suite that do not pass, and why."""

NOTHING_TESTED = {"callproc": "SQLite has no stored procedures (optional)"}
"""Methods that the suite tests only where they are."""


class Compliance(dbapi20.DatabaseAPI20Test):  # type: ignore[misc]
    """The suite on a database; the suite itself forgets to close some connections."""

    __test__ = False  # not by pytest: below
    driver = dbapi

    def _connect(self) -> dbapi.Connection:
        connection: dbapi.Connection = super()._connect()
        self.addCleanup(connection.close)
        return connection


def test_the_suite_passes_but_for_what_sqlite_has_not(
    url: str,
    credentials: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(Compliance, "connect_args", (url,))
    monkeypatch.setattr(Compliance, "connect_kw_args", credentials)

    failed, count = outcome(Compliance)

    with capsys.disabled():
        scheme = url.partition(":")[0]
        print(f"\nDB-API compliance, {scheme}: {count - len(failed)} of {count} pass", end=" ")  # noqa: T201
    assert {name: why for name, why in failed.items() if name not in EXCEPTIONS} == {}
    assert set(failed) == set(EXCEPTIONS), "an exception that passes now is none"
    assert count == 36


def test_what_the_suite_does_not_test_is_not_there() -> None:
    assert [name for name in NOTHING_TESTED if hasattr(dbapi.Cursor, name)] == []


def outcome(suite: Any) -> tuple[dict[str, str], int]:
    """Run the suite; return its failures with their tracebacks, and the number of tests."""
    result = unittest.TestResult()
    unittest.TestLoader().loadTestsFromTestCase(suite).run(result)
    bad = [*result.failures, *result.errors]
    return {case.id().rpartition(".")[2]: text for case, text in bad}, result.testsRun
