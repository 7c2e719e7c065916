"""The contract of a lease table, held against both: DynamoDB over HTTP, and a file."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from locking.leader import Term
from locking.lease import GRACE_S, Claim, HeldLease, Taken
from locking.sqlite import SQLiteTable
from locking.tables import Table, open_table
from sqlatch.kernel.errors import LeaseLost, StorageError
from tests.conftest import dynamodb_environment

NOW_S = 1_800_000_000.0
CLAIM = Claim("main", "id-1", "one", NOW_S, NOW_S + 12)
RIVAL = Claim("main", "id-2", "two", NOW_S + 1, NOW_S + 13)
LATE_S = CLAIM.expires_at_s + GRACE_S


@pytest.fixture(params=["sqlite", "dynamodb"])
def table(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Table]:
    address = f"sqlite:{tmp_path / 'leases.sqlite'}"
    if request.param == "dynamodb":
        for name, value in dynamodb_environment(request).items():
            monkeypatch.setenv(name, value)
            address = value if name == "SQLATCH_LEASES" else address
    opened = open_table(address)
    yield opened
    opened.close()


def taken(table: Table, claim: Claim) -> Taken:
    answer = table.take(claim)
    assert isinstance(answer, Taken)
    return answer


def test_a_free_lease_is_granted_with_a_fence_that_starts_at_the_time(table: Table) -> None:
    lease = HeldLease("main", "id-1", "one", NOW_S, CLAIM.expires_at_s, int(NOW_S * 1000) + 1)

    assert table.take(CLAIM) == Taken(lease, taken_over=False)
    assert table.held() == [lease]


def test_a_held_lease_is_refused_and_the_holder_comes_back(table: Table) -> None:
    fence = taken(table, CLAIM).held.fence

    assert table.take(RIVAL) == HeldLease("main", "id-1", "one", NOW_S, CLAIM.expires_at_s, fence)
    assert [held.holder for held in table.held()] == ["one"]


def test_how_many_went_ahead_of_the_holder_comes_back_from_dynamodb(table: Table) -> None:
    taken(table, replace(CLAIM, ahead=7))
    refused = table.take(RIVAL)
    assert isinstance(refused, HeldLease)
    assert refused.ahead == (0 if isinstance(table, SQLiteTable) else 7)

    table.give_back("main", "id-1")
    taken(table, RIVAL)
    assert [held.ahead for held in table.held()] == [0]


def test_leases_of_two_databases_do_not_meet(table: Table) -> None:
    taken(table, CLAIM)
    taken(table, replace(RIVAL, database="other"))

    assert sorted(held.database for held in table.held()) == ["main", "other"]


def test_a_lease_given_back_is_free_and_its_fence_grows(table: Table) -> None:
    first = taken(table, CLAIM)
    table.give_back("main", "id-1")
    second = taken(table, RIVAL)

    assert (second.held.fence, second.taken_over) == (first.held.fence + 1, False)


def test_an_expired_lease_is_held_until_the_grace_is_over_and_then_taken_over(
    table: Table,
) -> None:
    first = taken(table, CLAIM)

    assert isinstance(table.take(replace(RIVAL, now_s=LATE_S - 0.001)), HeldLease)
    assert isinstance(table.take(replace(RIVAL, now_s=LATE_S)), HeldLease)
    last = replace(RIVAL, now_s=LATE_S + 0.001)
    assert table.take(last) == Taken(last.held(first.held.fence + 1), taken_over=True)


def test_a_retried_take_whose_answer_was_lost_recognises_itself(table: Table) -> None:
    first = taken(table, CLAIM)
    again = taken(table, replace(CLAIM, now_s=NOW_S + 0.5))

    assert again == replace(first, taken_over=True)
    assert len(table.held()) == 1


def test_a_retried_give_back_whose_answer_was_lost_is_content(table: Table) -> None:
    taken(table, CLAIM)
    table.give_back("main", "id-1")
    table.give_back("main", "id-1")

    assert table.held() == []


def test_a_late_give_back_frees_nobody_elses_lease(table: Table) -> None:
    taken(table, CLAIM)
    taken(table, replace(RIVAL, now_s=LATE_S + 1))
    table.give_back("main", "id-1")

    assert [held.lock_id for held in table.held()] == ["id-2"]


def test_giving_back_what_was_never_taken_is_content(table: Table) -> None:
    table.give_back("main", "id-1")

    assert table.held() == []


def test_times_keep_their_milliseconds(table: Table) -> None:
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


def test_a_later_leader_takes_over_at_once_what_an_earlier_one_holds(table: Table) -> None:
    first = taken(table, replace(CLAIM, term=4))
    second = taken(table, replace(RIVAL, term=5))

    assert second.taken_over
    assert second.held.fence > first.held.fence


def test_a_leader_waits_for_what_is_held_in_its_own_term_or_without_a_leader(table: Table) -> None:
    taken(table, replace(CLAIM, term=4))
    assert isinstance(table.take(replace(RIVAL, term=4)), HeldLease)
    taken(table, replace(CLAIM, database="other"))
    assert isinstance(table.take(replace(RIVAL, database="other", term=4)), HeldLease)


def test_an_earlier_leader_is_refused_for_ever_once_a_later_one_had_the_lease(
    table: Table,
) -> None:
    taken(table, replace(CLAIM, term=5))
    for _time in ("held", "given back"):
        with pytest.raises(LeaseLost, match="term 5 has written to 'main', and this one is of ter"):
            table.take(replace(RIVAL, term=4))
        table.give_back("main", CLAIM.lock_id)

    assert isinstance(table.take(replace(RIVAL, term=5)), Taken)
    taken(table, replace(CLAIM, database="other", term=4))


def test_a_claim_of_a_leader_that_is_sent_again_is_granted_again(table: Table) -> None:
    claim = replace(CLAIM, term=4)
    assert taken(table, claim).held.fence == taken(table, claim).held.fence


TERM = Term(1, "v1", "https://one", 10.0, since_s=NOW_S, renewed_s=NOW_S)


def test_a_term_stands_as_it_was_put(table: Table) -> None:
    assert table.leader("nodes") is None
    assert table.put_leader("nodes", TERM, None)
    assert table.leader("nodes") == TERM
    assert table.leader("others") is None
    assert table.held() == []


def test_a_term_is_put_only_in_the_place_of_the_one_that_was_seen(table: Table) -> None:
    second = replace(TERM, number=2, version="v2", node="", offered=True)
    assert table.put_leader("nodes", TERM, None)
    assert not table.put_leader("nodes", second, None)
    assert not table.put_leader("nodes", second, replace(TERM, version="v0"))
    assert table.leader("nodes") == TERM
    assert table.put_leader("nodes", second, TERM)
    assert table.leader("nodes") == second
