"""DB-API behind a proxy that breaks things: every pair of failures, at every request."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count, product
from typing import Any
from urllib.parse import urlsplit

import pytest

from sqlatch import attempts, dbapi
from sqlatch.dbapi import Connection
from tests.sqlatch import fault_proxy
from tests.sqlatch.fault_proxy import CUTS, REQUEST_CUTS, Fault, FaultProxy
from tests.sqlatch.faults import FEW

INSERT = "INSERT INTO t VALUES (?, ?)"
PROGRAM = ["insert", "insert", "commit"]
"""What a transaction sends, a request each."""


@dataclass(frozen=True, slots=True)
class Way:
    """A connection whose requests meet faults, and one whose requests do not."""

    proxy: FaultProxy
    faulty: Connection
    clean: Connection

    def rows(self) -> dict[int, list[int]]:
        """The parts that are there, by their number: all of them, so that none came late."""
        self.clean.rollback()
        found = defaultdict[int, list[int]](list)
        for number, part in self.clean.execute("SELECT number, part FROM t ORDER BY part"):
            found[number].append(part)
        return found


@pytest.fixture
def way(
    url: str,
    credentials: dict[str, Any],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Way]:
    monkeypatch.setattr(attempts, "ATTEMPTS_MAX", 2)
    by_lambda = url.startswith("lambda")
    port = urlsplit(request.getfixturevalue("lambda_api").url if by_lambda else url).port or 0
    with closing(dbapi.connect(url, **credentials)) as clean, fault_proxy.running(port) as proxy:
        clean.execute("CREATE TABLE t (number, part)")
        clean.commit()
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{proxy.port}")
        through = url if by_lambda else url.replace(f":{port}/", f":{proxy.port}/")
        with closing(dbapi.connect(through, **credentials)) as faulty:
            assert faulty._client is not None
            faulty._client.attempts = replace(faulty._client.attempts, chance=lambda: 0.0)
            yield Way(proxy, faulty, clean)


def transact(connection: Connection, number: int) -> None:
    connection.execute(INSERT, (number, 1))
    connection.execute(INSERT, (number, 2))
    connection.commit()


@pytest.mark.parametrize("position", range(len(PROGRAM)), ids=("first", "second", "commit"))
def test_a_transaction_is_all_or_nothing_and_the_next_one_is_itself(
    way: Way, position: int
) -> None:
    numbers = count()
    cases = []
    for first, second in product(FEW, [*FEW, None]):
        number, behind = next(numbers), next(numbers)
        way.proxy.faults = [*[None] * position, first, second]

        error = failure_of(way.faulty, number)
        way.proxy.faults = []

        was_asked_again = error is not None and position == 2 and number % 4 == 0
        if was_asked_again:
            way.faulty.commit()
        way.faulty.rollback()
        transact(way.faulty, behind)
        cases.append((number, behind, was_asked_again, str(first), str(second), error))

    rows = way.rows()
    for case in cases:
        number, behind, was_asked_again, *_faults, error = case
        if error is None or was_asked_again:
            assert rows[number] == [1, 2], case
        elif position == 2 and outcome_of(error) == "unknown":
            assert rows[number] in ([], [1, 2]), case
        else:
            assert rows[number] == [], case
        assert rows[behind] == [1, 2], case


@pytest.mark.parametrize("is_script", [False, True])
def test_a_statement_by_itself_is_applied_once_or_not(way: Way, *, is_script: bool) -> None:
    way.faulty.autocommit = True
    numbers = count()
    cases = []
    for first, second in product(FEW, [*FEW, None]):
        number, behind = next(numbers), next(numbers)
        way.proxy.faults = [first, second]

        error = None
        try:
            insert(way.faulty, number, is_script=is_script)
        except dbapi.Error as failed:
            error = failed
        way.proxy.faults = []

        insert(way.faulty, behind, is_script=is_script)
        cases.append((number, behind, str(first), str(second), error))

    rows = way.rows()
    for case in cases:
        number, behind, *_faults, error = case
        if error is None:
            assert rows[number] == [1], case
        elif outcome_of(error) == "unknown":
            assert rows[number] in ([], [1]), case
        else:
            assert rows[number] == [], case
        assert rows[behind] == [1], case


def insert(connection: Connection, number: int, *, is_script: bool) -> None:
    if is_script:
        connection.executescript(f"SELECT 1; INSERT INTO t VALUES ({number}, 1)")
    else:
        connection.execute(INSERT, (number, 1))


@pytest.mark.parametrize("fault", [*CUTS, *REQUEST_CUTS], ids=str)
def test_an_answer_cut_at_any_byte_is_asked_for_again(way: Way, fault: Fault) -> None:
    for position in range(len(PROGRAM)):
        way.proxy.faults = [*[None] * position, fault]

        transact(way.faulty, position)

        assert way.proxy.faults == []

    assert way.rows() == {number: [1, 2] for number in range(len(PROGRAM))}


def failure_of(connection: Connection, number: int) -> dbapi.Error | None:
    try:
        transact(connection, number)
    except dbapi.Error as error:
        return error
    return None


def outcome_of(error: dbapi.Error) -> object:
    return error.__cause__.facts.get("outcome")  # type: ignore[union-attr]
