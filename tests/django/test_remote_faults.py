"""Django over the network behind a proxy that breaks things: a block is stored as it says."""

from collections.abc import Iterator
from itertools import count, product
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import DatabaseError, connection, connections, transaction

from sqlatch import attempts
from tests.django.bank.models import Account
from tests.django.conftest import Open
from tests.sqlatch import fault_proxy
from tests.sqlatch.fault_proxy import CUTS, REQUEST_CUTS, Fault, FaultProxy
from tests.sqlatch.faults import FEW

pytestmark = pytest.mark.django

REQUESTS = 3
"""Of a block: two rows and a commit."""


@pytest.fixture
def proxy(remote: Open, http_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """Before the default connection."""
    monkeypatch.setattr(attempts, "ATTEMPTS_MAX", 2)
    port = urlsplit(http_url).port or 0
    before = connections["default"]
    with fault_proxy.running(port) as proxy:
        connections["default"] = remote(http_url.replace(f":{port}/", f":{proxy.port}/"))
        yield proxy
        connections["default"].close()
        connections["default"] = before


def owners(wrapper: Any, number: int) -> int:
    """Return how many rows with that number another connection sees."""
    with wrapper.cursor() as cursor:
        sql = "SELECT count(*) FROM bank_account WHERE balance = %s"
        return int(cursor.execute(sql, [number]).fetchone()[0])


def block(number: int, told: list[int]) -> None:
    with transaction.atomic():
        transaction.on_commit(lambda: told.append(number))
        Account.objects.create(owner=f"{number} a", balance=number)
        Account.objects.create(owner=f"{number} b", balance=number)


@pytest.mark.parametrize("position", range(REQUESTS), ids=("first", "second", "commit"))
def test_a_block_that_ends_well_is_stored_and_one_that_fails_is_not_or_is_unknown(
    remote: Open, proxy: FaultProxy, position: int
) -> None:
    numbers = count(1)
    told: list[int] = []
    clean = remote()
    for first, second in product(FEW, [*FEW, None]):
        number, behind = next(numbers), next(numbers)
        proxy.faults = [*[None] * position, first, second]

        error = None
        try:
            block(number, told)
        except DatabaseError as failed:
            error = failed
        proxy.faults = []

        block(behind, told)
        case = (str(first), str(second), error)
        assert connection.get_autocommit(), case
        assert (number in told) is (error is None), case
        is_unknown = position == REQUESTS - 1 and outcome_of(error) == "unknown"
        possible = [2] if error is None else [0, 2] if is_unknown else [0]
        assert owners(clean, number) in possible, case
        assert owners(clean, behind) == 2, case


@pytest.mark.parametrize("fault", [*CUTS, *REQUEST_CUTS], ids=str)
def test_a_row_outside_a_block_is_stored_once_whatever_is_cut(
    remote: Open, proxy: FaultProxy, fault: Fault
) -> None:
    clean = remote()
    for number in (1, 2):
        proxy.faults = [fault]
        Account.objects.create(owner=str(number), balance=number)

        assert proxy.faults == []
        assert owners(clean, number) == 1


def outcome_of(error: DatabaseError | None) -> object:
    cause = error and error.__cause__ and error.__cause__.__cause__
    return getattr(cause, "facts", {}).get("outcome")
