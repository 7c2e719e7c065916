"""The calls that a log needs of a table, on moto."""

from typing import Any

import pytest

from sqlatch.kernel.aws.errors import ConditionFailed
from sqlatch.kernel.errors import StorageError
from storage.log.answers import NoAnswer
from storage.log.table import Item, Table
from tests.storage.log.clouds import Cloud

pytestmark = pytest.mark.parametrize("cloud", ["moto", "quick"], indirect=True)


def item(sk: int, **more: int | str | bytes) -> Item:
    return {"pk": "main", "sk": sk, "id": bytes([sk % 256]) * 16, **more}


def test_an_item_is_put_once_and_the_second_gets_the_one_in_the_way(cloud: Cloud) -> None:
    first = item(1, d=b"\0\xff", ms=1_700_000_000_000, name="main")

    assert cloud.table.put_new(first) is None
    assert cloud.table.put_new(item(1, d=b"other")) == first
    assert cloud.table.get("main", 1) == first
    assert cloud.table.get("main", 2) is None


def test_items_come_in_order_behind_a_key_whatever_their_size(cloud: Cloud) -> None:
    items = [item(sk, d=bytes(350_000)) for sk in (1, 2, 3, 9, 10, 10**30)]
    for each in reversed(items):
        cloud.table.put(each)
    cloud.table.put({**item(4), "pk": "another"})

    assert cloud.table.behind("main", 0) == items
    assert cloud.table.behind("main", 3) == items[3:]
    assert cloud.table.behind("main", 0, most=2) == items[:2]
    assert cloud.table.behind("main", 10**30) == []
    assert cloud.table.behind("nothing", 0) == []


def test_an_item_is_put_in_the_place_of_one_only(cloud: Cloud) -> None:
    one, two, three = item(7, id=b"1"), item(7, id=b"2"), item(7, id=b"3")

    assert cloud.table.put_in_place(one, of=b"2")
    assert not cloud.table.put_in_place(two, of=b"2")
    assert cloud.table.put_in_place(three, of=b"1")
    assert cloud.table.get("main", 7) == three
    cloud.table.delete("main", 7)
    assert cloud.table.get("main", 7) is None
    cloud.table.delete("main", 7)


def test_a_floor_only_rises(cloud: Cloud) -> None:
    for floor, expected in ((7, 7), (3, 7), (7, 7), (9, 9)):
        cloud.table.raise_floor("main", 0, floor)

        assert cloud.table.get("main", 0) == {"pk": "main", "sk": 0, "floor": expected}


def test_a_condition_that_failed_without_its_item_is_no_answer(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that knows nothing of ReturnValuesOnConditionCheckFailure cannot be used."""
    cloud.table.put(item(1))

    def without_item(_operation: str, _request: object) -> dict[str, Any]:
        raise ConditionFailed("ConditionalCheckFailedException", "", status=400)

    monkeypatch.setattr(cloud.calls, "_call", without_item)
    with pytest.raises(NoAnswer) as none:
        cloud.table.put_new(item(1))
    assert none.value.may_land


def test_a_table_that_is_not_there_is_a_named_error(cloud: Cloud) -> None:
    with pytest.raises(StorageError, match="ResourceNotFoundException"):
        Table("no-such-table").get("main", 1)


def test_a_server_that_is_away_has_not_done_it(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(NoAnswer) as none:
        Table("table").put_new(item(1))
    assert not none.value.may_land


def test_without_a_region_nothing_is_asked(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    with pytest.raises(StorageError, match="region"):
        Table("table").get("main", 1)
