"""The costs of a request in NFS operations: on EFS each is a millisecond or more."""

from typing import Any

import pytest

from tests.faults.report import record
from tests.nfs.client import Client, Instance
from tests.nfs.lab import Lab

pytestmark = pytest.mark.nfs

TURNS = 20
BOOKKEEPING = {"FREE_STATEID"}
"""Of the kernel's own, sent behind the back of a request that does not wait for it."""

READ: dict[str, Any] = {"query": "SELECT v FROM t WHERE id = 1"}
INSERT: dict[str, Any] = {"query": "INSERT INTO t (v) VALUES ('x')"}
INSERTS: dict[str, Any] = {
    "query": "INSERT INTO t (v) VALUES (?)",
    "parameter_sets": [["x"]] * 100,
}

WARM_READ_MAX = 11
WARM_WRITE_MAX = 26
"""As counted, so that one more for each request is seen. The client asks again for what it has
cached for seconds, so on a busy machine a few of the requests cost one more."""


def test_a_warm_request_asks_the_server_for_little(
    the_lab: Lab, environment: dict[str, str]
) -> None:
    with the_lab.a.instance(environment) as on_a, the_lab.b.instance(environment) as on_b:
        on_a.ask(query="CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        on_a.ask(**INSERT)
        first_read = operations(the_lab.b, on_b, READ)
        warm_read = operations(the_lab.b, on_b, READ, turns=TURNS)
        warm_write = operations(the_lab.a, on_a, INSERT, turns=TURNS)
        write_of_100_rows = operations(the_lab.a, on_a, INSERTS, turns=TURNS)
        read_after_another_commit = operations(the_lab.b, on_b, READ)
    with the_lab.b.instance(environment) as fresh:
        first_write = operations(the_lab.b, fresh, INSERT)

    counted = {
        "first_read": first_read,
        "warm_read": warm_read,
        "read_after_another_commit": read_after_another_commit,
        "first_write": first_write,
        "warm_write": warm_write,
        "write_of_100_rows": write_of_100_rows,
    }
    record("nfs_operations", **{name: counts["all"] for name, counts in counted.items()})
    for name, counts in counted.items():
        record(f"nfs_operations_{name}", **counts)
    assert warm_read["all"] < WARM_READ_MAX + 1
    assert warm_write["all"] < WARM_WRITE_MAX + 1
    assert write_of_100_rows["all"] < WARM_WRITE_MAX + 1


def operations(
    client: Client, instance: Instance, event: dict[str, Any], *, turns: int = 1
) -> dict[str, float]:
    """The operations of one request, by kind and `all` together."""
    before = client.operations()
    for _turn in range(turns):
        answer = instance.ask(**event)
        assert "reply" in answer, answer
    after = client.operations()
    counts = {
        kind: round((after[kind] - before.get(kind, 0)) / turns, 2)
        for kind in after
        if after[kind] > before.get(kind, 0) and kind not in BOOKKEEPING
    }
    return {**counts, "all": round(sum(counts.values()), 2)}
