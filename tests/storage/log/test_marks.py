"""The marks of a database, and the id of its log."""

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.log import Gone
from storage.log.marks import LOG, SURE_S, LogId, Marks, parted
from storage.log.moments import Clocks
from storage.log.table import Item
from storage.log.turn import TURN
from tests.storage.log.clouds import Cloud

NAME = "main"
OURS, OTHERS = b"0123456789abcdef", b"fedcba9876543210"
RECORD: Item = {"sk": 7, "log": OURS}


class Time:
    s = 1_000.0

    def clocks(self) -> Clocks:
        return Clocks(epoch=lambda: self.s, boot=lambda: self.s)


def test_records_and_marks_are_told_apart() -> None:
    records: list[Item] = [{"sk": number} for number in range(1, 4)]
    turn: Item = {"sk": TURN, "id": b"turn"}
    log: Item = {"sk": LOG, "log": OURS}

    assert parted([]) == ([], Marks())
    assert parted([*records]) == (records, Marks())
    assert parted([*records, log]) == (records, Marks(log_id=OURS))
    assert parted([*records, turn, log]) == (records, Marks(b"turn", OURS))


@pytest.mark.parametrize(("is_cut", "of"), [(True, OURS), (False, OURS), (True, OTHERS)])
def test_an_answer_that_was_cut_off_says_of_which_log_it_is(
    cloud: Cloud, *, is_cut: bool, of: bytes
) -> None:
    clocks = Time().clocks()
    known = LogId(NAME, cloud.table, clocks, OURS)
    marks = Marks() if is_cut else Marks(log_id=OURS)
    answer: list[Item] = [{"sk": 8, "log": of}]

    if of == OURS:
        assert known.checked([*answer], marks, 7, clocks.moment()) == answer
        assert known.is_sure
    else:
        with pytest.raises(Gone):
            known.checked([*answer], marks, 7, clocks.moment())


def test_a_copy_of_a_snapshot_learns_the_id_from_the_record_of_its_state(cloud: Cloud) -> None:
    clocks = Time().clocks()
    known = LogId(NAME, cloud.table, clocks, None)

    assert known.known_before(7) == 6
    assert known.checked([RECORD], Marks(log_id=OURS), 7, clocks.moment()) == []
    assert (known.value, known.known_before(7)) == (OURS, 7)
    with pytest.raises(StorageError, match="has no record 7"):
        LogId(NAME, cloud.table, clocks, None).checked([], Marks(), 7, clocks.moment())


def test_a_log_is_looked_for_where_there_was_time_to_make_another(cloud: Cloud) -> None:
    time = Time()
    known = LogId(NAME, cloud.table, time.clocks(), OURS)
    assert known.begun(OURS) == OURS
    assert LogId(NAME, cloud.table, time.clocks(), None).begun(OTHERS) == OURS
    cloud.calls.counts.clear()

    known.check(may_land=False)
    time.s += SURE_S / 2
    known.check(may_land=False)
    assert cloud.calls.counts == {"GetItem": 1}
    cloud.table.delete(NAME, LOG)
    time.s += SURE_S
    for may_land, outcome in ((False, "nothing"), (True, "unknown")):
        with pytest.raises(StorageError, match="was deleted, or made again") as refused:
            known.check(may_land=may_land)
        assert refused.value.facts["outcome"] == outcome
