"""The names of the databases in a table."""

import pytest

from storage.log.names import Names
from storage.log.turn import TURN
from tests.storage.log.clouds import Cloud

pytestmark = pytest.mark.parametrize("cloud", ["moto", "quick"], indirect=True)


def test_names_are_those_of_databases_that_have_a_record(cloud: Cloud) -> None:
    names = Names(cloud.table)
    for name in ("b", "a", "b", "killed-before-its-first-record", "asked-for-a-turn"):
        names.put(name)
    for name in ("a", "b"):
        cloud.table.put({"pk": name, "sk": 7, "id": b"1"})
    cloud.table.put({"pk": "asked-for-a-turn", "sk": TURN, "id": b"1"})

    assert names.all() == ["a", "b"]
