"""The outcome of a write as the caller is told it: true for every pair of failures in one call."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from urllib.parse import urlsplit

import pytest

from sqlatch import attempts, errors
from sqlatch.client import Client
from sqlatch.command.exits import Exit, exit_of
from sqlatch.errors import SqlatchError
from tests.sqlatch import fault_proxy, faults
from tests.sqlatch.conftest import connected, kind_of_client
from tests.sqlatch.fault_proxy import Fault, FaultProxy
from tests.sqlatch.lambda_server import FUNCTION, LambdaServer

INSERT = "INSERT INTO t VALUES (?)"


@dataclass(frozen=True, slots=True)
class Way:
    """A client whose calls meet faults, and one whose calls do not."""

    proxy: FaultProxy
    faulty: Client
    clean: Client


@pytest.fixture
def http_way(http_url: str) -> Iterator[Way]:
    with way(http_url, urlsplit(http_url).port or 0) as one:
        yield one


@pytest.fixture
def lambda_way(lambda_api: LambdaServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    url = f"lambda://{FUNCTION}/main"
    with connected(url) as clean, fault_proxy.running(urlsplit(lambda_api.url).port or 0) as proxy:
        clean.execute("CREATE TABLE t (n)")
        monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", f"http://127.0.0.1:{proxy.port}")
        with connected(url) as faulty:
            yield Way(proxy, faulty, clean)


@contextmanager
def way(url: str, port: int) -> Iterator[Way]:
    with (
        connected(url) as clean,
        fault_proxy.running(port) as proxy,
        connected(url.replace(f":{port}/", f":{proxy.port}/")) as faulty,
    ):
        clean.execute("CREATE TABLE t (n)")
        yield Way(proxy, faulty, clean)


@pytest.mark.parametrize("first", faults.HTTP, ids=str)
def test_an_error_over_http_says_what_is_known(
    http_way: Way, first: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_pairs(http_way, first, faults.HTTP, monkeypatch)


@pytest.mark.parametrize("first", faults.FEW, ids=str)
@pytest.mark.parametrize("transport", ["http", "lambda"])
def test_an_error_of_a_call_that_is_awaited_says_what_is_known(
    transport: str, first: Fault, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    with kind_of_client("asyncio"):
        check_pairs(request.getfixturevalue(f"{transport}_way"), first, faults.FEW, monkeypatch)


@pytest.mark.parametrize("first", faults.LAMBDA, ids=str)
def test_an_error_of_a_direct_invoke_says_what_is_known(
    lambda_way: Way, first: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_pairs(lambda_way, first, faults.LAMBDA, monkeypatch)


def check_pairs(
    way: Way, first: Fault, seconds: list[Fault], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Write with this fault and each other one behind it, and then with none behind it."""
    monkeypatch.setattr(attempts, "ATTEMPTS_MAX", 2)
    numbers = count()
    told: dict[int, SqlatchError | None] = {}
    for second in [*seconds, None]:
        way.proxy.faults = [first, second]
        number = next(numbers)
        told[number] = error = write(way.faulty, number)
        was_repeated = way.proxy.faults == []
        if error is not None:
            in_doubt = first.is_unknown or (
                was_repeated and second is not None and second.is_unknown
            )
            said = error.facts["outcome"]
            assert said == ("unknown" if in_doubt else "nothing"), (second, error)
            code = exit_of(error, writes=True)
            assert (code == Exit.OUTCOME_UNKNOWN) is in_doubt, (second, error)

    written = [row[0] for row in way.clean.query("SELECT n FROM t")]

    assert len(set(written)) == len(written), "nothing is written twice"
    for number, error in told.items():
        if error is None:
            assert number in written
        elif error.facts["outcome"] == "nothing":
            assert number not in written, (number, error)


def write(client: Client, number: int) -> SqlatchError | None:
    try:
        client.execute(INSERT, [number])
    except SqlatchError as error:
        return error
    return None


def test_a_key_that_is_another_requests_proves_that_nothing_was_written(
    http_way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "ATTEMPTS_MAX", 2)
    http_way.clean.execute(INSERT, [1], idempotency_key="k")
    http_way.proxy.faults = [fault_proxy.CUTS[0]]

    with pytest.raises(errors.IdempotencyConflict) as refused:
        http_way.faulty.execute(INSERT, [2], idempotency_key="k")

    assert refused.value.facts["outcome"] == "nothing"
    assert http_way.clean.query("SELECT n FROM t").rows == [(1,)]


def test_the_error_names_the_answer_that_was_lost(
    http_way: Way,
) -> None:
    http_way.proxy.faults = [fault_proxy.CUTS[0], *faults.HTTP[-1:] * 9]

    error = write(http_way.faulty, 1)

    assert error is not None
    assert str(error) == error.message
    assert error.message.endswith("(an attempt before it may have been applied: ANSWER_CUT_OFF)")
