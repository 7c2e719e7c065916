"""A client frozen in mid transaction, past every lease, and thawed: it overwrites nothing."""

import time
from typing import Any

import pytest

from tests.faults.report import record
from tests.nfs.bank import ACCOUNTS, BALANCES, RAISE, VISIT, balances, create, held_in_commit
from tests.nfs.lab import Lab
from tests.nfs.server import LEASE_S

pytestmark = [pytest.mark.nfs, pytest.mark.timeout(300)]

TIMEOUT_MS = 4_000
PATIENCE_MS = 90_000
SERVER_NOTICES_WITHIN_S = 6 * LEASE_S
"""When the NFS server takes a silent client's locks away is up to it, after its lease. On a quiet
machine that is within two of them, and a request would wait longer than this."""

THAWED_LATE_S = 3
"""How much later than others could write again: the server has forgotten the client by then."""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"hold_at": "check"}, "LEASE_LOST"),
        ({"hold_at": "commit"}, "STORAGE_ERROR"),
        ({"half_written": "hold"}, "STORAGE_ERROR"),
    ],
    ids=["before the last check", "after the last check", "half written"],
)
def test_a_writer_that_was_frozen_past_its_leases_is_refused(
    fault: dict[str, Any], code: str, the_lab: Lab, environment: dict[str, str]
) -> None:
    with (
        the_lab.a.instance(environment, **fault) as frozen,
        the_lab.b.instance(environment) as other,
    ):
        create(other)
        held_in_commit(frozen, timeout_ms=TIMEOUT_MS)
        the_lab.a.freeze()
        started_s = time.monotonic()
        read = other.ask(query=BALANCES, timeout_ms=PATIENCE_MS)
        read_s = time.monotonic() - started_s
        visit = other.ask(query=VISIT, timeout_ms=PATIENCE_MS)
        wrote_s = time.monotonic() - started_s
        time.sleep(THAWED_LATE_S)
        the_lab.a.thaw()
        frozen.send({})
        refusal = frozen.receive()
        after = balances(other)
        visits = other.ask(query="SELECT n FROM visit")["reply"]["rows"]
        again = frozen.ask(query=RAISE, timeout_ms=PATIENCE_MS)

        assert read["reply"]["rows"] == [[ACCOUNTS, 0, 0]]
        assert visit["reply"]["rows"] == visits == [[1]]
        assert refusal["error"]["code"] == code, refusal
        assert after == (ACCOUNTS, 0, 0)
        assert again["reply"]["rows_affected"] == ACCOUNTS
        assert balances(other) == balances(frozen) == (ACCOUNTS, 1, 1)
        assert other.ask(query="PRAGMA integrity_check")["reply"]["rows"] == [["ok"]]
    where = "_".join(str(value) for item in fault.items() for value in item)
    record(f"nfs_frozen_{where}", read_after_s=round(read_s, 1), wrote_after_s=round(wrote_s, 1))
    assert wrote_s < SERVER_NOTICES_WITHIN_S
