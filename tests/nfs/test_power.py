"""A client that loses its power, or its network: others wait for one lease, and nothing is lost."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.report import record
from tests.nfs.bank import ACCOUNTS, BALANCES, VISIT, balances, create, held_in_commit
from tests.nfs.client import Client
from tests.nfs.lab import Lab
from tests.nfs.server import LEASE_S

pytestmark = [pytest.mark.nfs, pytest.mark.timeout(300)]

TIMEOUT_MS = 4_000
PATIENCE_MS = 90_000
SERVER_NOTICES_WITHIN_S = 6 * LEASE_S
"""When the NFS server takes a silent client's locks away is up to it, after its lease. On a quiet
machine that is within two of them, and a request would wait longer than this."""

CUT_TIMEOUT_MS = 2_000
"""Short enough for the lease on the database to run out while the network is cut."""


def test_a_client_powered_off_in_its_commit_is_overcome_within_a_lease(
    the_lab: Lab, environment: dict[str, str]
) -> None:
    with the_lab.b.instance(environment) as other:
        create(other)
        with the_lab.a.instance(environment, half_written="hold") as lost:
            held_in_commit(lost, timeout_ms=TIMEOUT_MS)
            the_lab.a.power_off()
        started_s = time.monotonic()
        read = other.ask(query=BALANCES, timeout_ms=PATIENCE_MS)
        read_s = time.monotonic() - started_s
        visit = other.ask(query=VISIT, timeout_ms=PATIENCE_MS)
        wrote_s = time.monotonic() - started_s
        the_lab.a.power_on()
        the_lab.a.mount()
        with the_lab.a.instance(environment) as back:
            seen = balances(back)

        assert read["reply"]["rows"] == [[ACCOUNTS, 0, 0]]
        assert visit["reply"]["rows"] == [[1]]
        assert seen == balances(other) == (ACCOUNTS, 0, 0)
        assert other.ask(query="PRAGMA integrity_check")["reply"]["rows"] == [["ok"]]
    record("nfs_power_off", read_after_s=round(read_s, 1), wrote_after_s=round(wrote_s, 1))
    assert wrote_s < SERVER_NOTICES_WITHIN_S


@pytest.mark.parametrize(
    ("cut_s", "name"), [(LEASE_S / 2, "shortly"), (1.6 * LEASE_S, "past_the_servers_lease")]
)
def test_a_commit_that_the_network_is_cut_in_is_there_if_it_was_acknowledged_and_never_half(
    cut_s: float, name: str, the_lab: Lab, environment: dict[str, str]
) -> None:
    """Others get the lease on the database meanwhile: there SQLite's own locks exclude."""
    with (
        the_lab.a.instance(environment, half_written="hold") as cut_off,
        the_lab.b.instance(environment) as other,
    ):
        create(other)
        held_in_commit(cut_off, timeout_ms=CUT_TIMEOUT_MS)
        cut_off.send({"after_s": 1})
        the_lab.a.cut()
        with _joined_after(the_lab.a, cut_s):
            started_s = time.monotonic()
            visit = other.ask(query=VISIT, timeout_ms=PATIENCE_MS)
            wrote_s = time.monotonic() - started_s
        answer = cut_off.receive()
        after = balances(other)

        assert visit["reply"]["rows"] == [[1]]
        assert after in [(ACCOUNTS, 0, 0), (ACCOUNTS, 1, 1)]
        assert after[1] == ("reply" in answer), answer
        assert balances(cut_off) == after
        assert other.ask(query="PRAGMA integrity_check")["reply"]["rows"] == [["ok"]]
    record(f"nfs_cut_{name}", wrote_after_s=round(wrote_s, 1), acknowledged=int(after[1]))


@contextmanager
def _joined_after(client: Client, cut_s: float) -> Iterator[None]:
    """Plug the client's network in again, that long after now."""
    timer = threading.Timer(cut_s, client.join)
    timer.start()
    try:
        yield
    finally:
        timer.join()
