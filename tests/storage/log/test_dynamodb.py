"""The log in DynamoDB: lost requests, lost answers, late landings, and what was deleted."""

from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log import dynamodb
from storage.log.answers import NEXT_STEPS
from storage.log.dynamodb import INLINE_BYTES_MAX, STALE_S, DynamoLog
from storage.log.floor import BASE
from storage.log.log import BEGINNING, Conflict, Gone, InDoubt, Place
from storage.log.marks import SURE_S
from storage.log.turn import LOSSES_MAX
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import contents

DEADLINE_S = 10.0


class Machine:
    """The clocks of one machine, which stand still but where something sleeps."""

    def __init__(self) -> None:
        self.epoch_s = 1.0
        self.boot_s = 1.0

    def sleep(self, seconds: float) -> None:
        self.epoch_s += seconds
        self.boot_s += seconds


Start = Callable[..., DynamoLog]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def start(cloud: Cloud, machine: Machine) -> Start:
    def start(at: Place = BEGINNING, **more: Any) -> DynamoLog:
        clocks: dict[str, Any] = {
            "now": lambda: machine.epoch_s,
            "boot": lambda: machine.boot_s,
            "sleep": machine.sleep,
        }
        return DynamoLog("main", cloud.table, cloud.objects, at=at, **clocks, **more)

    return start


ids = iter(range(1_000_000))


def new_id() -> bytes:
    return next(ids).to_bytes(16)


def commit(log: DynamoLog, *values: bytes) -> None:
    log.ready(DEADLINE_S, fence=0, seal=False)
    for value in values:
        log.append(new_id(), value)


def everything(start: Start) -> list[tuple[int, bytes]]:
    return contents(start().sync(DEADLINE_S))


def test_an_append_is_one_call_and_so_is_a_question(cloud: Cloud, start: Start) -> None:
    log = start()
    commit(log, b"one")
    cloud.calls.counts.clear()

    log.append(new_id(), b"two")
    log.sync(DEADLINE_S)

    assert cloud.calls.counts == {"PutItem": 1, "Query": 1}


@pytest.mark.parametrize("size_bytes", [INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, 2_000_000])
def test_a_large_record_lies_in_the_bucket(cloud: Cloud, start: Start, size_bytes: int) -> None:
    log, loser = start(), start()
    commit(log, b"one")
    loser.sync(DEADLINE_S)
    large = bytes(range(256)) * (size_bytes // 256) + b"x" * (size_bytes % 256)

    log.append(new_id(), large)

    assert everything(start) == [(1, b"one"), (2, large)]
    objects = list(cloud.objects.list("main/large/"))
    assert [each.size_bytes for each in objects] == [size_bytes] * (size_bytes > INLINE_BYTES_MAX)
    with pytest.raises(Conflict) as conflict:
        loser.append(new_id(), large)
    assert contents(conflict.value.records + loser.sync(DEADLINE_S)) == [(2, large)]


def test_a_record_whose_object_is_gone_is_not_passed_over(cloud: Cloud, start: Start) -> None:
    commit(start(), b"one", bytes(INLINE_BYTES_MAX + 1), b"three")
    for each in cloud.objects.list():
        cloud.objects.delete(each.key)

    with pytest.raises(Gone, match="not in the bucket"):
        start().sync(DEADLINE_S)


@pytest.mark.parametrize("faults", [["answer"], ["request"], ["answer", "answer", "request"]])
def test_an_append_without_an_answer_is_put_again_and_known_by_its_id(
    cloud: Cloud, start: Start, faults: list[str]
) -> None:
    log = start()
    commit(log, b"one")
    cloud.calls.faults["PutItem"] = faults
    commit_id = new_id()

    with pytest.raises(InDoubt):
        log.append(commit_id, b"two")

    is_there, records = log.outcome(2, commit_id, DEADLINE_S)
    assert (is_there, contents(records)) == (True, [(2, b"two")])
    assert log.place.txid == 2
    cloud.calls.faults.clear()
    commit(log, b"three")
    assert everything(start) == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_an_append_without_an_answer_that_another_overtook_is_refused(
    cloud: Cloud, start: Start
) -> None:
    log, other = start(), start()
    commit(log, b"one")
    cloud.calls.faults["PutItem"] = ["late"]
    commit_id = new_id()
    with pytest.raises(InDoubt):
        log.append(commit_id, b"late")
    commit(other, b"two")

    is_there, records = log.outcome(2, commit_id, DEADLINE_S)
    with pytest.raises(Exception, match="ConditionalCheckFailed"):
        cloud.calls.land()

    assert (is_there, contents(records)) == (False, [(2, b"two")])
    commit(log, b"three")
    assert everything(start) == [(1, b"one"), (2, b"two"), (3, b"three")]


def test_an_append_that_was_interrupted_behind_its_answer_is_found(start: Start) -> None:
    log = start()
    commit(log, b"one")
    commit_id = new_id()
    log.append(commit_id, b"two")

    is_there, records = log.outcome(2, commit_id, DEADLINE_S)

    assert (is_there, contents(records)) == (True, [(2, b"two")])
    assert log.outcome(2, new_id(), DEADLINE_S)[0] is False


def test_one_that_lands_after_its_outcome_was_unknown_is_that_commit(
    cloud: Cloud, start: Start
) -> None:
    log, reader = start(), start()
    commit(log, b"one")
    cloud.calls.faults["PutItem"] = ["late", *["request"] * 1_000]
    commit_id = new_id()
    with pytest.raises(InDoubt):
        log.append(commit_id, b"two")

    with pytest.raises(StorageError) as unknown:
        log.outcome(2, commit_id, DEADLINE_S)
    assert unknown.value.outcome == "unknown"
    assert contents(reader.sync(DEADLINE_S)) == [(1, b"one")]
    cloud.calls.land()
    cloud.calls.faults.clear()

    assert contents(reader.sync(DEADLINE_S)) == contents(log.sync(DEADLINE_S)) == [(2, b"two")]


def test_what_was_never_sent_is_told_as_nothing(
    cloud: Cloud, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The object of a large record could not be stored, and so its item was not put."""
    log = start()
    commit(log, b"one")
    large, commit_id = bytes(INLINE_BYTES_MAX + 1), new_id()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(InDoubt):
        log.append(commit_id, large)
    with pytest.raises(StorageError) as failure:
        log.outcome(2, commit_id, DEADLINE_S)

    assert failure.value.outcome == "nothing"


def test_a_question_without_an_answer_is_asked_again_until_the_deadline(
    cloud: Cloud, start: Start
) -> None:
    commit(start(), b"one")
    cloud.calls.faults["Query"] = ["request", "answer"]

    assert everything(start) == [(1, b"one")]
    cloud.calls.faults["Query"] = ["request"] * 1_000
    with pytest.raises(StorageError, match="the table"):
        start().sync(DEADLINE_S)


@pytest.mark.parametrize("fault", ["throttled", "server"])
@pytest.mark.parametrize("operation", ["Query", "PutItem"])
def test_where_aws_is_asked_too_often_it_is_asked_less_and_less_until_the_deadline(
    cloud: Cloud, start: Start, machine: Machine, fault: str, operation: str
) -> None:
    log = start(chance=lambda: 1.0)
    commit(log, b"one")
    cloud.calls.counts.clear()
    cloud.calls.faults[operation] = [fault] * 1_000

    def ask() -> None:
        if operation == "Query":
            log.sync(DEADLINE_S)
            return
        commit_id = new_id()
        with pytest.raises(InDoubt):
            log.append(commit_id, b"two")
        log.outcome(2, commit_id, DEADLINE_S)

    with pytest.raises(StorageError, match=r"asked .* times until the deadline; ") as failure:
        ask()

    assert cloud.calls.counts[operation] <= 11
    assert machine.epoch_s == pytest.approx(DEADLINE_S)
    assert NEXT_STEPS[failure.value.aws_code] in failure.value.message


def test_waits_for_aws_are_drawn_randomly_up_to_one_that_doubles(
    cloud: Cloud, start: Start, machine: Machine
) -> None:
    log = start(chance=chain([0.0, 1.0, 0.5, 0.25], repeat(0.0)).__next__)
    cloud.calls.faults["Query"] = ["throttled"] * 4

    log.sync(DEADLINE_S)

    assert machine.epoch_s == pytest.approx(1.0 + 0.0 + 0.1 + 0.1 + 0.1)


def test_a_call_that_is_throttled_for_a_moment_is_not_noticed(cloud: Cloud, start: Start) -> None:
    log = start()
    commit(log, b"one")
    cloud.calls.faults["PutItem"] = ["throttled"] * 3
    commit_id = new_id()

    with pytest.raises(InDoubt):
        log.append(commit_id, b"two")

    assert log.outcome(2, commit_id, DEADLINE_S)[0]
    assert everything(start) == [(1, b"one"), (2, b"two")]


def stall(machine: Machine, clock: str) -> None:
    """Let time pass on one clock: one of them may be set back, or stand still."""
    setattr(machine, clock, getattr(machine, clock) + STALE_S + 1)


def compact(cloud: Cloud, floor: int) -> None:
    """Delete all records up to that one, as the reaper does: first it says so."""
    cloud.table.put({"pk": "main", "sk": BASE, "floor": floor})
    for txid in range(1, floor + 1):
        cloud.table.delete("main", txid)


CLOCKS = pytest.mark.parametrize("clock", ["boot_s", "epoch_s"])


@CLOCKS
@pytest.mark.parametrize("answered", [True, False])
def test_one_who_slept_while_its_number_was_compacted_away_is_not_told_that_it_committed(
    cloud: Cloud, start: Start, machine: Machine, clock: str, *, answered: bool
) -> None:
    sleeper, other = start(), start()
    commit(sleeper, b"one")
    commit(other, b"two", b"three", b"four")
    compact(cloud, 3)
    stall(machine, clock)
    cloud.calls.faults["PutItem"] = [] if answered else ["answer"]
    commit_id = new_id()

    with pytest.raises((StorageError, InDoubt)):
        sleeper.append(commit_id, b"into the void")
    with pytest.raises(StorageError) as failure:
        sleeper.outcome(2, commit_id, DEADLINE_S)

    assert failure.value.outcome == "unknown"
    with pytest.raises(Gone):
        sleeper.sync(DEADLINE_S)


def test_one_whose_record_was_removed_before_it_knew_is_not_told_that_it_was_refused(
    cloud: Cloud, start: Start, machine: Machine
) -> None:
    """Its number was used again, by another who slept: that one's record refuses the second put."""
    sleeper, other = start(), start()
    commit(sleeper, b"one")
    cloud.calls.faults["PutItem"] = ["answer"]
    commit_id = new_id()
    with pytest.raises(InDoubt):
        sleeper.append(commit_id, b"two")
    commit(other, b"three", b"four")
    compact(cloud, 3)
    cloud.table.put({"pk": "main", "sk": 2, "id": new_id(), "log": b"log", "d": b"void"})
    machine.sleep(STALE_S + 1)

    with pytest.raises(StorageError) as unknown:
        sleeper.outcome(2, commit_id, DEADLINE_S)

    assert unknown.value.outcome == "unknown"


def test_one_who_finds_its_record_after_a_sleep_does_not_know_that_it_is_the_newest(
    cloud: Cloud, start: Start, machine: Machine
) -> None:
    sleeper, other = start(), start()
    commit(sleeper, b"one")
    cloud.calls.faults["PutItem"] = ["answer"]
    commit_id = new_id()
    with pytest.raises(InDoubt):
        sleeper.append(commit_id, b"two")
    commit(other, b"three", b"four")
    machine.sleep(STALE_S + 1)
    assert sleeper.outcome(2, commit_id, machine.epoch_s + DEADLINE_S)[0]

    assert not sleeper.goes_first
    compact(cloud, 3)
    with pytest.raises(StorageError):
        sleeper.append(new_id(), b"into the void")


@CLOCKS
def test_one_who_slept_a_while_commits_all_the_same(
    cloud: Cloud, start: Start, machine: Machine, clock: str
) -> None:
    sleeper, other = start(), start()
    commit(other, b"one", b"two", b"three")
    sleeper.sync(DEADLINE_S)
    compact(cloud, 2)
    stall(machine, clock)
    cloud.calls.counts.clear()

    sleeper.append(new_id(), b"four")

    assert cloud.calls.counts == {"PutItem": 1, "GetItem": 2}
    assert contents(other.sync(DEADLINE_S)) == [(4, b"four")]


def void(cloud: Cloud, start: Start, machine: Machine) -> tuple[DynamoLog, DynamoLog]:
    """Leave a record that was put where one had been deleted, and two who stand before it."""
    sleeper, reader, loser, other = start(), start(), start(), start()
    commit(sleeper, b"one")
    reader.sync(DEADLINE_S)
    loser.sync(DEADLINE_S)
    commit(other, b"two", b"three", b"four")
    compact(cloud, 2)
    machine.sleep(STALE_S + 1)
    with pytest.raises((StorageError, InDoubt)):
        sleeper.append(new_id(), b"void")
    return reader, loser


def test_a_record_that_was_put_into_the_void_is_read_by_nobody(
    cloud: Cloud, start: Start, machine: Machine
) -> None:
    """It stands right before one that is true, but was made on another state."""
    reader, loser = void(cloud, start, machine)

    with pytest.raises(Gone, match="may have been deleted"):
        reader.sync(DEADLINE_S)
    with pytest.raises(Conflict) as conflict:
        loser.append(new_id(), b"late")
    assert conflict.value.records == []
    with pytest.raises(Gone, match="may have been deleted"):
        loser.sync(DEADLINE_S)
    with pytest.raises(Gone):
        start(Place(1, 0, 1)).sync(DEADLINE_S)
    assert contents(start(Place(0, 0, 2)).sync(DEADLINE_S)) == [(3, b"three"), (4, b"four")]


def remake(cloud: Cloud) -> None:
    """Empty the table, as one that was deleted and made again."""
    for item in cloud.table.behind("main", -1):
        cloud.table.delete("main", item["sk"])  # type: ignore[arg-type]


@pytest.mark.parametrize("records", [0, 1, 2, 3])
def test_a_table_that_was_made_again_is_another_log(
    cloud: Cloud, start: Start, machine: Machine, records: int
) -> None:
    reader = start()
    commit(start(), b"old one", b"old two")
    reader.sync(DEADLINE_S)
    remake(cloud)
    if records:
        commit(start(), *[b"new"] * records)
    machine.sleep(SURE_S + 1)

    assert not reader.goes_first
    with pytest.raises(Gone):
        reader.sync(machine.epoch_s + DEADLINE_S)


@pytest.mark.parametrize("records", [0, 1, 2])
def test_nothing_is_appended_to_a_table_that_was_made_again(
    cloud: Cloud, start: Start, machine: Machine, records: int
) -> None:
    writer = start()
    commit(writer, b"old one", b"old two")
    remake(cloud)
    if records:
        commit(start(), *[b"new"] * records)
    machine.sleep(SURE_S + 1)
    commit_id = new_id()

    with pytest.raises((InDoubt, Conflict, StorageError)):
        writer.append(commit_id, b"three")
    with pytest.raises(StorageError, match="made again") as refused:
        writer.outcome(3, commit_id, machine.epoch_s + DEADLINE_S)

    assert refused.value.outcome == "nothing"
    assert everything(start) == [(txid, b"new") for txid in range(1, records + 1)]


def test_an_append_that_took_as_long_as_a_table_is_made_again_is_checked(
    cloud: Cloud, start: Start, machine: Machine
) -> None:
    writer = start()
    commit(writer, b"old one", b"old two")
    cloud.calls.before["PutItem"] = [lambda: (remake(cloud), machine.sleep(SURE_S + 1))]
    commit_id = new_id()

    for ask in (
        lambda: writer.append(commit_id, b"three"),
        lambda: writer.outcome(3, commit_id, machine.epoch_s + DEADLINE_S),
    ):
        with pytest.raises(StorageError, match="made again") as refused:
            ask()
        assert refused.value.outcome == "unknown"


def test_a_snapshot_that_the_table_does_not_go_on_behind_is_an_error(
    cloud: Cloud, start: Start
) -> None:
    """The bucket is that of a table that was deleted."""
    commit(start(), b"new")

    with pytest.raises(StorageError, match="files of the bucket belong to another log"):
        start(Place(0, 0, 2)).sync(DEADLINE_S)


def test_of_two_that_begin_a_log_at_once_the_second_takes_the_name_of_the_first(
    cloud: Cloud, start: Start
) -> None:
    first, second = start(), start()
    for log in (first, second):
        log.ready(DEADLINE_S, fence=0, seal=False)
    cloud.calls.faults["PutItem"] = ["", "", "request"]
    commit_id = new_id()
    with pytest.raises(InDoubt):
        first.append(commit_id, b"of the first")

    second.append(new_id(), b"of the second")

    assert not first.outcome(1, commit_id, DEADLINE_S)[0]
    assert first.database_id == second.database_id
    commit(first, b"two")
    assert everything(start) == [(1, b"of the second"), (2, b"two")]


def test_who_comes_new_to_a_log_that_was_compacted_begins_from_a_snapshot(
    cloud: Cloud, start: Start
) -> None:
    commit(start(), b"one", b"two", b"three")
    compact(cloud, 2)

    with pytest.raises(Gone):
        start().sync(DEADLINE_S)


def test_a_writer_goes_first_until_it_loses_and_again_when_it_is_alone(start: Start) -> None:
    log, other = start(), start()
    assert not log.goes_first

    commit(log, b"one")
    assert log.goes_first
    commit(other, b"two")
    with pytest.raises(Conflict):
        log.append(new_id(), b"lost")
    assert not log.goes_first
    assert log.ready(DEADLINE_S, fence=0, seal=False) == []
    log.append(new_id(), b"three")
    assert not log.goes_first
    commit(log, b"four")
    assert log.goes_first


def test_a_writer_that_read_anothers_records_asks_before_it_writes(
    start: Start, machine: Machine
) -> None:
    log, other = start(), start()
    commit(log, b"one")
    commit(other, b"two")

    log.sync(DEADLINE_S)
    assert not log.goes_first
    log.sync(DEADLINE_S)
    assert log.goes_first
    machine.sleep(61)
    assert not log.goes_first


def test_between_two_questions_the_winners_records_are_enough(cloud: Cloud, start: Start) -> None:
    log, other = start(), start()
    commit(log, b"one")
    for number in range(1, LOSSES_MAX + 2):
        if not log.goes_first:
            log.ready(DEADLINE_S, fence=0, seal=False)
        commit(other, b"faster")
        with pytest.raises(Conflict) as conflict:
            log.append(new_id(), b"lost")
        assert [each.txid for each in conflict.value.records] == [number + 1]
        assert log.goes_first is (1 < number <= LOSSES_MAX)


def test_who_is_far_behind_reads_in_pieces_and_asks_whether_each_can_be_believed(
    cloud: Cloud, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies behind a piece may be removed, and put again, before it is read."""
    monkeypatch.setattr(dynamodb, "PIECE_BYTES", 1 << 20)
    commit(start(), *[bytes([number]) * 350_000 for number in range(8)])
    reader = start()
    cloud.calls.counts.clear()

    pieces = [len(reader.sync(DEADLINE_S))]
    while reader.has_more:
        pieces.append(len(reader.sync(DEADLINE_S)))

    assert sum(pieces) == 8
    assert max(pieces) == 2
    assert cloud.calls.counts["GetItem"] == len([piece for piece in pieces if piece])
    assert reader.sync(DEADLINE_S) == []
