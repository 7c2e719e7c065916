"""A libSQL client whose requests are served by one instance after the other."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import pytest

from tests.e2e.emulator import Instance, Pool
from tests.hrana.client import Client, plain
from tests.hrana.conftest import PUBLIC, token

ROUNDS = 5


@pytest.fixture
def settings(settings: dict[str, str]) -> dict[str, str]:
    return {**settings, "SQLATCH_TOKEN_KEYS": PUBLIC}


def in_turn(instances: Sequence[Instance]) -> Client:
    """A client whose every request goes to the next instance."""
    turns = cycle(instances)

    def invoke(event: dict[str, Any]) -> dict[str, Any]:
        return next(turns).invoke(event)

    return Client(token(), invoke=invoke)


def test_one_transaction_is_served_by_all_instances_in_turn(pool: Pool) -> None:
    client = in_turn(pool.instances)
    stream = client.stream()
    stream.execute("BEGIN")
    stream.execute("CREATE TABLE t (n, at DEFAULT CURRENT_TIMESTAMP, chance DEFAULT (random()))")
    for number in range(20):
        stream.execute("INSERT INTO t (n) VALUES (?)", number)
    seen = plain(stream.execute("SELECT * FROM t"))
    stream.execute("COMMIT")

    assert len(seen) == 20
    assert client.rows("SELECT * FROM t") == seen
    served = [len(instance.requests()) for instance in pool.instances]
    assert min(served) > 1, served


@pytest.mark.timeout(180)
def test_increments_by_eight_clients_at_once_are_all_there(pool: Pool) -> None:
    first = in_turn(pool.instances[:1])
    first.stream().execute("CREATE TABLE counter AS SELECT 0 AS n")

    def work(instance: Instance) -> int:
        place = pool.instances.index(instance)
        client = in_turn([instance])
        client.token = token(lifetime_s=600 + place)
        return sum(increment(client) for _round in range(ROUNDS))

    conflicts = sum(pool.at_once(work))

    assert first.rows("SELECT n FROM counter") == [[8 * ROUNDS]]
    assert conflicts > 0, "nobody ever met another"


def increment(client: Client) -> int:
    """Read, then write what was read and one; how often it had to begin again."""
    for conflicts in range(1_000):
        stream = client.stream()
        stream.execute("BEGIN")
        ((number,),) = plain(stream.execute("SELECT n FROM counter"))
        said = [
            *stream.ask(update(number + 1)),
            *stream.ask({"type": "execute", "stmt": {"sql": "COMMIT"}}),
        ]
        errors = [one["error"]["code"] for one in said if one["type"] == "error"]
        if not errors:
            return conflicts
        assert set(errors) == {"SQLITE_BUSY"}, errors
    raise AssertionError("it never came through")


def update(number: int) -> dict[str, Any]:
    args = [{"type": "integer", "value": str(number)}]
    return {"type": "execute", "stmt": {"sql": "UPDATE counter SET n = ?", "args": args}}
