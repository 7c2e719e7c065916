"""Taking and giving back, on a clock that the test moves: waits, retries, lost answers."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from locking.clock import Clock
from locking.lease import GRACE_S, Claim, HeldLease, TableUnavailable, Taken, Throttled
from locking.leases import MARGIN_S, RELEASE_S, Leases
from locking.sqlite import SQLiteTable
from locking.waiting import WAIT_MAX_S, WAITS
from sqlatch.kernel.errors import LeaseBusy, LeaseLost, StorageError

START_S = 1_800_000_000.0


class MovedClock:
    """Time that passes only when somebody sleeps; `at_sleep` runs as he wakes."""

    def __init__(self) -> None:
        self.now_s = START_S
        self.slept: list[float] = []
        self.at_sleep: Callable[[], None] = lambda: None
        self.clock = Clock(now=lambda: self.now_s, sleep=self._sleep, chance=lambda: 1.0)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds
        self.at_sleep()


class LossyTable(SQLiteTable):
    """A table that loses what the test tells it to: a request, or the answer to one."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.lose: list[str] = []
        self.asked: list[str] = []

    def take(self, claim: Claim) -> Taken | HeldLease:
        return self._lossy("take", lambda: super(LossyTable, self).take(claim))

    def give_back(self, database: str, lock_id: str) -> None:
        self._lossy("give back", lambda: super(LossyTable, self).give_back(database, lock_id))

    def _lossy(self, what: str, step: Callable[[], Taken | HeldLease | None]) -> Taken | HeldLease:
        self.asked.append(what)
        fate = self.lose.pop(0) if self.lose else ""
        if fate == "throttled":
            raise Throttled(fate)
        answer = None if fate == "request" else step()
        if fate:
            raise TableUnavailable(f"{fate} lost")
        return answer  # type: ignore[return-value]


@pytest.fixture
def time() -> MovedClock:
    return MovedClock()


@pytest.fixture
def table(tmp_path: Path) -> Iterator[LossyTable]:
    table = LossyTable(tmp_path / "leases.sqlite")
    yield table
    table.close()


@pytest.fixture
def leases(table: LossyTable, time: MovedClock) -> Leases:
    return Leases(table, clock=time.clock)


def test_a_lease_lasts_a_margin_past_its_deadline_and_is_given_back(
    leases: Leases, table: LossyTable
) -> None:
    with leases.hold("main", holder="me", deadline_s=START_S + 10) as lease:
        assert lease.held.expires_at_s == START_S + 10 + MARGIN_S
        assert leases.held() == [lease.held]

    assert lease.released
    assert leases.held() == []
    assert table.asked == ["take", "give back"]


def test_a_lease_is_given_back_when_its_block_fails(leases: Leases) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        leases.hold("main", holder="me", deadline_s=START_S + 10),
    ):
        raise ZeroDivisionError

    assert leases.held() == []


def test_a_busy_lease_is_waited_for_and_had_when_it_is_given_back(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    table.take(Claim("main", "other", "somebody", START_S, START_S + 60))
    time.at_sleep = lambda: (
        table.give_back("main", "other") if time.now_s > START_S + 0.33 else None
    )

    with leases.hold("main", holder="me", deadline_s=START_S + 10) as lease:
        assert 330 < lease.waited_ms < 410
        assert not lease.taken_over
    assert time.slept[:6] == pytest.approx([0.005, 0.01, 0.02, 0.04, 0.075, 0.075])


def test_who_watches_is_told_of_a_wait_once_and_of_its_end_and_of_nothing_else(
    leases: Leases, time: MovedClock
) -> None:
    told: list[str | None] = []
    token = WAITS.set(told.append)
    deadline_s = START_S + 10
    with leases.hold("main", holder="first", deadline_s=deadline_s) as first:
        assert told == []
        calls = iter(range(5))

        def give_back_at_last() -> None:
            if next(calls) == 3:
                leases._table.give_back("main", first.held.lock_id)

        time.at_sleep = give_back_at_last
        with leases.hold("main", holder="second", deadline_s=deadline_s):
            assert len(time.slept) == 4
            assert told == ["main", None]
            time.at_sleep = lambda: None
            with (
                pytest.raises(LeaseBusy),
                leases.hold("main", holder="third", deadline_s=deadline_s),
            ):
                pass
    assert told == ["main", None] * 2
    WAITS.reset(token)


def test_a_lease_held_until_the_deadline_is_busy_and_says_who_and_until_when(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    table.take(Claim("main", "other", "somebody", START_S, START_S + 60))

    with (
        pytest.raises(LeaseBusy) as busy,
        leases.hold("main", holder="me", deadline_s=START_S + 1),
    ):
        raise AssertionError("never held")

    assert busy.value.body() == {
        "code": "LEASE_BUSY",
        "message": "somebody holds the lease on 'main' until 1800000060.000 (epoch seconds)",
        "retryable": True,
        "holder": "somebody",
        "expires_at": START_S + 60,
        "waited_ms": pytest.approx(1000),
    }
    assert time.now_s == pytest.approx(START_S + 1)
    assert [held.holder for held in leases.held()] == ["somebody"]


def test_who_has_little_patience_gives_up_before_the_deadline(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    table.take(Claim("main", "other", "somebody", START_S, START_S + 60))

    with (
        pytest.raises(LeaseBusy) as busy,
        leases.hold("main", holder="me", deadline_s=START_S + 10, patience_s=0.1),
    ):
        raise AssertionError("never held")

    assert busy.value.facts["waited_ms"] == pytest.approx(100)
    assert time.now_s == pytest.approx(START_S + 0.1)


def test_a_table_that_does_not_answer_is_waited_for_whatever_the_patience(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    table.lose = ["request"] * 20

    with leases.hold("main", holder="me", deadline_s=START_S + 10, patience_s=0.1) as lease:
        assert leases.held() == [lease.held]

    assert time.now_s > START_S + 0.5


def test_a_use_without_a_deadline_of_its_own_begins_when_the_lease_is_had(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    table.take(Claim("main", "other", "somebody", START_S, START_S + 60))
    time.at_sleep = lambda: table.give_back("main", "other") if time.now_s > START_S + 3 else None

    with leases.hold("main", holder="me", deadline_s=START_S + 10, use_s=20) as lease:
        assert lease.held.expires_at_s == pytest.approx(time.now_s + 20 + MARGIN_S)


def test_an_expired_lease_is_taken_over(leases: Leases, table: LossyTable) -> None:
    table.take(Claim("main", "other", "somebody", START_S - 60, START_S - GRACE_S - 0.1))

    with leases.hold("main", holder="me", deadline_s=START_S + 1) as lease:
        assert lease.taken_over


@pytest.mark.parametrize("lost", [["answer"], ["request"], ["answer", "request", "answer"]])
def test_a_take_whose_answer_is_lost_is_asked_again_and_recognised(
    lost: list[str], leases: Leases, table: LossyTable
) -> None:
    table.lose = list(lost)

    with leases.hold("main", holder="me", deadline_s=START_S + 5) as lease:
        assert leases.held() == [lease.held]
    assert leases.held() == []


def test_a_table_that_never_answers_is_a_storage_error_and_no_lease_is_left(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    table.lose = ["answer"] * 100
    time.at_sleep = lambda: table.lose.clear() if time.now_s >= START_S + 1 else None

    with (
        pytest.raises(StorageError, match="does not answer"),
        leases.hold("main", holder="me", deadline_s=START_S + 0.5),
    ):
        raise AssertionError("never held")

    table.lose = []
    assert table.asked[-1] == "give back"


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_a_give_back_that_is_lost_is_tried_again(
    lost: str, leases: Leases, table: LossyTable
) -> None:
    with leases.hold("main", holder="me", deadline_s=START_S + 5) as lease:
        table.lose = [lost]

    assert lease.released
    assert leases.held() == []


def test_a_give_back_that_stays_lost_does_not_fail_what_was_done(
    leases: Leases, table: LossyTable
) -> None:
    with leases.hold("main", holder="me", deadline_s=START_S + 5) as lease:
        table.lose = ["request"] * 1_000

    assert not lease.released
    assert table.asked[:3] == ["take", "give back", "give back"]


def test_a_give_back_is_tried_until_the_deadline_and_not_past_it(
    leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    time.at_sleep = lambda: table.lose.clear() if time.now_s > START_S + 4.8 else None
    with leases.hold("main", holder="me", deadline_s=START_S + 5) as lease:
        table.lose = ["request"] * 1_000
    assert lease.released
    assert time.now_s < START_S + 5

    time.at_sleep = lambda: None
    with leases.hold("main", holder="me", deadline_s=time.now_s + 5) as lease:
        deadline_s = time.now_s + 5
        table.lose = ["request"] * 1_000
    assert not lease.released
    assert deadline_s - WAIT_MAX_S <= time.now_s < deadline_s


@pytest.mark.parametrize("late_s", [0, 1, 60])
def test_a_give_back_at_the_deadline_or_past_it_has_a_moment(
    late_s: float, leases: Leases, table: LossyTable, time: MovedClock
) -> None:
    with leases.hold("main", holder="me", deadline_s=START_S + 5) as lease:
        ended_s = time.now_s = START_S + 5 + late_s
        table.lose = ["request"] * 1_000

    assert not lease.released
    assert ended_s + RELEASE_S - WAIT_MAX_S <= time.now_s < ended_s + RELEASE_S < ended_s + 0.5


def test_a_contender_that_was_only_throttled_has_nothing_to_give_back(
    leases: Leases, table: LossyTable
) -> None:
    table.lose = ["throttled"] * 1_000

    with (
        pytest.raises(StorageError, match="does not answer: throttled"),
        leases.hold("main", holder="me", deadline_s=START_S + 30),
    ):
        raise AssertionError("never held")

    assert set(table.asked) == {"take"}
    assert len(table.asked) < 20


def test_a_lease_that_ran_out_is_lost(leases: Leases, time: MovedClock) -> None:
    with leases.hold("main", holder="me", deadline_s=START_S + 5) as lease:
        time.now_s = lease.held.expires_at_s - 0.001
        lease.check()
        time.now_s = lease.held.expires_at_s
        with pytest.raises(LeaseLost, match="nothing was written"):
            lease.check()
