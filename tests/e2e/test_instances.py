"""Many instances on the same files: nothing lost, nothing twice, nothing refused."""

from typing import Any

import pytest

from tests.e2e.emulator import Instance, Pool

INSERT = "INSERT INTO t (who) VALUES (?) RETURNING who"
RAISE = "UPDATE counter SET n = n + 1 RETURNING n"
EACH = 50
PATIENCE_MS = 28_000


def write(instance: Instance, statement: str, *parameters: str) -> Any:
    reply = instance.invoke(
        {"query": statement, "parameters": list(parameters), "timeout_ms": PATIENCE_MS}
    )
    (row,) = reply["rows"]
    return row


@pytest.mark.timeout(180)
def test_8_instances_with_50_inserts_each_and_a_counter(pool: Pool) -> None:
    first = pool.instances[0]
    first.invoke({"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, who TEXT)"})
    first.invoke({"query": "CREATE TABLE counter AS SELECT 0 AS n"})

    def work(instance: Instance) -> list[tuple[Any, Any]]:
        names = [f"{instance.log_file.stem}-{turn}" for turn in range(EACH)]
        return [(*write(instance, INSERT, name), *write(instance, RAISE)) for name in names]

    acknowledged = [pair for pairs in pool.at_once(work) for pair in pairs]

    whole = first.invoke({"query": "SELECT who FROM t"})["rows"]
    assert sorted(who for (who,) in whole) == sorted(who for who, _n in acknowledged)
    assert len({who for (who,) in whole}) == len(whole) == 8 * EACH
    assert sorted(n for _who, n in acknowledged) == list(range(1, 8 * EACH + 1))
    assert first.invoke({"health": True})["leases"] == []
    for instance in pool.instances:
        assert instance.invoke({"query": "SELECT n FROM counter"})["rows"] == [[8 * EACH]]
        assert {line.get("cold_start") for line in instance.requests()} == {None}
