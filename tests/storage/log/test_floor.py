"""The item that says what may have been deleted."""

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.floor import Floor
from storage.log.log import Gone
from tests.storage.log.clouds import Cloud


def test_a_floor_is_raised_and_never_lowered(cloud: Cloud) -> None:
    floor = Floor("main", cloud.table)
    floor.check_reaches_back(0)
    floor.check_was_first(1)

    floor.raise_to(7)
    floor.raise_to(5)

    floor.check_reaches_back(7)
    floor.check_was_first(8)
    with pytest.raises(Gone):
        floor.check_reaches_back(6)
    with pytest.raises(StorageError) as unknown:
        floor.check_was_first(7)
    assert unknown.value.outcome == "unknown"
