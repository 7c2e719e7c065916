"""The log in a directory on real NFS: what it asks of the server, and what a late writer can do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest

from tests.faults.report import FULL, record, record_planted
from tests.nfs.client import SHARE, USER, Client, Instance
from tests.nfs.lab import Lab
from tests.nfs.server import LEASE_S

pytestmark = [pytest.mark.nfs, pytest.mark.timeout(3_600 if FULL else 300)]

TURNS = 20
READS = 10_000 if FULL else 200
READS_BUFFERED = 50
CUT_WITHIN_S = 2.0
"""The time that a busy machine may take to cut a client off."""

SEAL_OPERATIONS_MAX = 40
"""28 are counted, and 31 where the client looks up anew what it has not used for a while."""

BOOKKEEPING = {"FREE_STATEID"}


@pytest.fixture
def directory(the_lab: Lab) -> str:
    """The directory of a log of the test's own, which is not there yet."""
    path = f"{SHARE}/{uuid4()}"
    the_lab.a.shell(f"install -d -o {USER} -g {USER} {path}")
    return f"{path}/main/log"


@contextmanager
def logs(lab: Lab, directory: str, *, is_buffered: bool = False) -> Iterator[list[Instance]]:
    with (
        lab.a.log(directory, is_buffered=is_buffered) as on_a,
        lab.b.log(directory, is_buffered=is_buffered) as on_b,
    ):
        yield [on_a, on_b]


def operations(
    client: Client, *orders: tuple[Instance, list[object]], turns: int = TURNS
) -> dict[str, float]:
    """Return the operations of a client in one turn of the orders."""
    before = client.operations()
    for _turn in range(turns):
        for instance, order in orders:
            done = instance.do(*order)
            assert not (isinstance(done, dict) and "raised" in done), done
    return {
        kind: (count - before.get(kind, 0)) / turns
        for kind, count in client.operations().items()
        if count > before.get(kind, 0) and kind not in BOOKKEEPING
    }


def test_what_the_log_asks_of_the_server(the_lab: Lab, directory: str) -> None:
    with logs(the_lab, directory) as (on_a, on_b):
        assert on_a.do("ready", 1) == []
        assert on_a.do("append", "one") == 1
        assert on_b.do("sync") == ["one"]
        nothing_new = operations(the_lab.b, (on_b, ["sync"]))
        ready = operations(the_lab.a, (on_a, ["ready", 2]))
        appended = operations(the_lab.a, (on_a, ["append", "two"]))
        assert on_b.do("sync") == ["two"] * TURNS
        of_others = operations(the_lab.b, (on_a, ["append", "three"]), (on_b, ["sync"]))
        fence = int(time.time())
        sealed = operations(the_lab.b, (on_b, ["take_over", fence]), turns=1)
        found_sealed = operations(the_lab.b, (on_b, ["take_over", fence]))

    counted = {
        "read": nothing_new, "ready": ready, "append": appended,
        "read_after_another_commit": of_others,
    }  # fmt: skip
    record("nfs_log_operations", **{name: sum(each.values()) for name, each in counted.items()})
    assert nothing_new == ready == {"READ": 1}
    assert appended == {"WRITE": 1, "GETATTR": 1}
    assert of_others == {"READ": 1, "GETATTR": 1}
    assert found_sealed == {"READ": 1}
    assert sum(sealed.values()) <= SEAL_OPERATIONS_MAX, sealed


def stale_reads(lab: Lab, directory: str, reads: int, *, is_buffered: bool) -> int:
    """Return how many reads miss what another client has just appended; each writes in turn."""
    stale = 0
    with logs(lab, directory, is_buffered=is_buffered) as both:
        for number in range(reads):
            writer, reader = both[number % 2], both[1 - number % 2]
            ready = writer.do("ready", number + 1)
            appended = writer.do("append", f"{number}")
            if not isinstance(ready, list) or not isinstance(appended, int):
                return stale + 1  # the log is broken already
            stale += reader.do("sync") != [f"{number}"]
    return stale


def test_a_read_right_behind_a_commit_on_another_client_has_it(
    the_lab: Lab, directory: str
) -> None:
    stale = stale_reads(the_lab, directory, READS, is_buffered=False)

    record("nfs_log_reads", reads=READS, stale=stale)
    assert stale == 0


def test_read_through_the_cache_of_the_kernel_it_has_not(the_lab: Lab, directory: str) -> None:
    """The negative control of the test above."""
    stale = stale_reads(the_lab, directory, READS_BUFFERED, is_buffered=True)

    record_planted("log: buffered reads", "real NFS")
    assert stale > 0


def test_the_late_append_of_a_frozen_client_is_refused(the_lab: Lab, directory: str) -> None:
    with logs(the_lab, directory) as (frozen, other):
        frozen.do("ready", 1)
        frozen.do("append", "one")
        frozen.do("ready", 2)
        the_lab.a.freeze()
        frozen.send({"do": ["append", "late"]})
        assert other.do("take_over", 3) == ["one"]
        assert other.do("append", "two") == 2
        the_lab.a.thaw()

        assert frozen.receive()["done"]["raised"] == "InDoubt"
        assert frozen.do("outcome") == [False, ["two"]]
        assert frozen.do("ready", 4) == []
        assert frozen.do("append", "three") == 3
        assert other.do("sync") == ["three"]
    with the_lab.b.log(directory) as fresh:
        assert fresh.do("sync") == ["one", "two", "three"]


def test_the_append_of_a_client_that_was_cut_off_is_in_the_log_as_it_is_told(
    the_lab: Lab, directory: str
) -> None:
    """Its kernel sends it again and again. The first may arrive, and only the answer be lost."""
    with logs(the_lab, directory) as (cut_off, other):
        cut_off.do("ready", 1)
        cut_off.do("append", "one")
        cut_off.do("ready", 2)
        cut_off.send({"do": ["append_later", "late", CUT_WITHIN_S]})
        the_lab.a.cut()
        time.sleep(2 * CUT_WITHIN_S)
        found = other.do("take_over", 3)
        other.do("append", "two")
        time.sleep(LEASE_S / 2)
        the_lab.a.join()
        refused = cut_off.receive()["done"]
        outcome = cut_off.do("outcome")

        assert refused["raised"] == "InDoubt"
        assert outcome == ["late" in found, [*found[1:], "two"]]
        assert found in (["one"], ["one", "late"])
    with the_lab.b.log(directory) as fresh:
        assert fresh.do("sync") == [*found, "two"]


def test_a_log_that_another_client_has_just_made_is_there(the_lab: Lab, directory: str) -> None:
    """A client remembers for 30 s that a name was not there."""
    with logs(the_lab, directory) as (on_a, on_b):
        assert on_b.do("sync") == []
        on_a.do("ready", 1)
        on_a.do("append", "one")
        assert on_b.do("sync") == ["one"]
        on_a.do("take_over", 2)
        on_a.do("append", "two")
        assert on_b.do("sync") == ["two"]


def test_who_stands_in_a_segment_that_another_client_removed_is_told(
    the_lab: Lab, directory: str
) -> None:
    with logs(the_lab, directory) as (on_a, on_b):
        on_a.do("ready", 1)
        on_a.do("append", "one")
        assert on_b.do("sync") == ["one"]
        for fence in (2, 3):
            on_a.do("take_over", fence)
            on_a.do("append", f"under {fence}")
        assert on_a.do("remove_settled") == 2

        assert on_b.do("sync")["raised"] == "Gone"
        assert on_b.do("ready", 4)["raised"] == "Gone"
        assert on_a.do("append", "still there") == 4
