"""The turn of a writer that others keep overtaking."""

from storage.log.turn import LOSSES_MAX, NOBODY, PATIENCE_S, POLL_S, TURN, TURN_S, Turn
from tests.storage.log.clouds import Cloud


class Writer:
    """A writer in a time that passes only where it waits."""

    def __init__(self, cloud: Cloud) -> None:
        self.now_s = 0.0
        self.cloud = cloud
        self.turn = Turn("main", cloud.table, now=lambda: self.now_s, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def loses(self) -> None:
        for _loss in range(LOSSES_MAX + 1):
            self.turn.lost()
        self.now_s += PATIENCE_S * 1.1

    def look(self) -> None:
        self.turn.seen(holder(self.cloud))

    def prepare(self) -> float:
        """Get ready to write. Return how long it waited."""
        began_s = self.now_s
        self.look()
        while self.turn.must_wait(began_s + 60):
            self.look()
        return self.now_s - began_s


def holder(cloud: Cloud) -> bytes | None:
    item = cloud.table.get("main", TURN)
    return None if item is None else bytes(item["id"])  # type: ignore[arg-type]


def test_who_lost_too_often_asks_and_others_wait_until_it_has_committed(cloud: Cloud) -> None:
    slow, quick = Writer(cloud), Writer(cloud)
    assert slow.prepare() == 0
    assert holder(cloud) is None

    slow.loses()
    assert slow.prepare() == 0
    quick.look()
    assert quick.turn.is_anothers
    assert quick.turn.must_wait(60)

    slow.turn.committed()
    assert quick.prepare() == 0
    assert holder(cloud) == NOBODY

    quick.loses()
    assert quick.prepare() == 0
    slow.look()
    assert slow.turn.is_anothers


def test_a_turn_is_asked_for_after_some_losses_and_some_time(cloud: Cloud) -> None:
    early, rare = Writer(cloud), Writer(cloud)
    early.loses()
    early.now_s -= PATIENCE_S
    rare.turn.lost()
    rare.now_s += PATIENCE_S * 1.1

    early.prepare()
    rare.prepare()

    assert holder(cloud) is None


def test_no_turn_is_deleted(cloud: Cloud) -> None:
    """Only the reaper may delete an item of the table."""
    slow, dead, quick = Writer(cloud), Writer(cloud), Writer(cloud)
    slow.loses()
    slow.prepare()
    slow.turn.committed()
    dead.loses()
    dead.prepare()
    quick.prepare()

    assert set(cloud.calls.counts) == {"GetItem", "PutItem"}


def test_a_turn_that_nobody_uses_is_waited_for_once_and_removed(cloud: Cloud) -> None:
    dead, quick, third = Writer(cloud), Writer(cloud), Writer(cloud)
    dead.loses()
    dead.prepare()

    assert TURN_S <= quick.prepare() <= TURN_S + POLL_S
    assert quick.prepare() == 0
    assert third.prepare() == 0


def test_two_who_lose_have_their_turns_one_after_the_other(cloud: Cloud) -> None:
    first, second = Writer(cloud), Writer(cloud)
    for writer in (first, second):
        writer.loses()
    assert first.prepare() == 0

    assert TURN_S <= second.prepare() <= TURN_S + POLL_S
    first.look()
    assert first.turn.is_anothers
    first.turn.committed()
    second.turn.committed()
    assert holder(cloud) == NOBODY


def test_nobody_waits_past_a_deadline_or_for_a_table_that_is_away(cloud: Cloud) -> None:
    dead, quick = Writer(cloud), Writer(cloud)
    dead.loses()
    cloud.calls.faults["PutItem"] = ["request"]
    assert dead.prepare() == 0
    assert dead.prepare() == 0

    quick.look()
    cloud.calls.faults["PutItem"] = ["request"]
    assert not quick.turn.must_wait(quick.now_s)
