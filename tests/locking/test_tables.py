"""The contract of a lease table, held against both: DynamoDB over HTTP, and a file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from locking.lease import GRACE_S, Claim, HeldLease, LeaseTable, Taken
from locking.sqlite import SQLiteTable
from locking.tables import open_table
from sqlatch.kernel.errors import StorageError
from tests.conftest import dynamodb_environment

NOW_S = 1_800_000_000.0
CLAIM = Claim("main", "id-1", "one", NOW_S, NOW_S + 12)
RIVAL = Claim("main", "id-2", "two", NOW_S + 1, NOW_S + 13)
LATE_S = CLAIM.expires_at_s + GRACE_S


@pytest.fixture(params=["sqlite", "dynamodb"])
def table(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LeaseTable]:
    address = f"sqlite:{tmp_path / 'leases.sqlite'}"
    if request.param == "dynamodb":
        for name, value in dynamodb_environment(request).items():
            monkeypatch.setenv(name, value)
            address = value if name == "SQLATCH_LEASES" else address
    opened = open_table(address)
    yield opened
    opened.close()


def taken(table: LeaseTable, claim: Claim) -> Taken:
    answer = table.take(claim)
    assert isinstance(answer, Taken)
    return answer


def test_a_free_lease_is_granted_with_a_fence_that_starts_at_the_time(table: LeaseTable) -> None:
    lease = HeldLease("main", "id-1", "one", NOW_S, CLAIM.expires_at_s, int(NOW_S * 1000) + 1)

    assert table.take(CLAIM) == Taken(lease, taken_over=False)
    assert table.held() == [lease]


def test_a_held_lease_is_refused_and_the_holder_comes_back(table: LeaseTable) -> None:
    fence = taken(table, CLAIM).held.fence

    assert table.take(RIVAL) == HeldLease("main", "id-1", "one", NOW_S, CLAIM.expires_at_s, fence)
    assert [held.holder for held in table.held()] == ["one"]


def test_how_many_went_ahead_of_the_holder_comes_back_from_dynamodb(table: LeaseTable) -> None:
    taken(table, replace(CLAIM, ahead=7))
    refused = table.take(RIVAL)
    assert isinstance(refused, HeldLease)
    assert refused.ahead == (0 if isinstance(table, SQLiteTable) else 7)

    table.give_back("main", "id-1")
    taken(table, RIVAL)
    assert [held.ahead for held in table.held()] == [0]


def test_leases_of_two_databases_do_not_meet(table: LeaseTable) -> None:
    taken(table, CLAIM)
    taken(table, replace(RIVAL, database="other"))

    assert sorted(held.database for held in table.held()) == ["main", "other"]


def test_a_lease_given_back_is_free_and_its_fence_grows(table: LeaseTable) -> None:
    first = taken(table, CLAIM)
    table.give_back("main", "id-1")
    second = taken(table, RIVAL)

    assert (second.held.fence, second.taken_over) == (first.held.fence + 1, False)


def test_an_expired_lease_is_held_until_the_grace_is_over_and_then_taken_over(
    table: LeaseTable,
) -> None:
    first = taken(table, CLAIM)

    assert isinstance(table.take(replace(RIVAL, now_s=LATE_S - 0.001)), HeldLease)
    assert isinstance(table.take(replace(RIVAL, now_s=LATE_S)), HeldLease)
    last = replace(RIVAL, now_s=LATE_S + 0.001)
    assert table.take(last) == Taken(last.held(first.held.fence + 1), taken_over=True)


def test_a_retried_take_whose_answer_was_lost_recognises_itself(table: LeaseTable) -> None:
    first = taken(table, CLAIM)
    again = taken(table, replace(CLAIM, now_s=NOW_S + 0.5))

    assert again == replace(first, taken_over=True)
    assert len(table.held()) == 1


def test_a_retried_give_back_whose_answer_was_lost_is_content(table: LeaseTable) -> None:
    taken(table, CLAIM)
    table.give_back("main", "id-1")
    table.give_back("main", "id-1")

    assert table.held() == []


def test_a_late_give_back_frees_nobody_elses_lease(table: LeaseTable) -> None:
    taken(table, CLAIM)
    taken(table, replace(RIVAL, now_s=LATE_S + 1))
    table.give_back("main", "id-1")

    assert [held.lock_id for held in table.held()] == ["id-2"]


def test_giving_back_what_was_never_taken_is_content(table: LeaseTable) -> None:
    table.give_back("main", "id-1")

    assert table.held() == []


def test_times_keep_their_milliseconds(table: LeaseTable) -> None:
    taken(table, replace(CLAIM, now_s=NOW_S + 0.123, expires_at_s=NOW_S + 5.457))

    (held,) = table.held()
    assert (held.acquired_at_s, held.expires_at_s) == pytest.approx((NOW_S + 0.123, NOW_S + 5.457))


def test_a_file_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="unable to open"):
        SQLiteTable(tmp_path / "missing" / "leases.sqlite").take(CLAIM)


@pytest.mark.parametrize("address", ["", "dynamodb:", "sqlite:", "redis:x", "leases"])
def test_an_unknown_address_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="is neither"):
        open_table(address)
