"""A table of DynamoDB with the keys `pk` (S) and `sk` (N): the calls that a log needs."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any, cast

from sqlatch.kernel.aws.dynamodb import DynamoDB, binary, bytes_of
from sqlatch.kernel.aws.errors import ConditionFailed
from sqlatch.kernel.errors import StorageError
from storage.log.answers import NoAnswer, answered

Value = str | int | bytes
Item = dict[str, Value]

Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Ask DynamoDB for an operation, once; AwsError."""

PAGES_MAX = 100_000
"""Pages of one query, of 1 MB each."""

ABSENT = "attribute_not_exists(pk)"
ABSENT_OR_THAT = "attribute_not_exists(pk) OR id = :id"
ABSENT_OR_LESS = "attribute_not_exists(pk) OR floor < :floor"


class Table:
    """Each method is one call (a query one for each MB). NoAnswer; StorageError where trying again
    cannot help."""

    def __init__(self, name: str, call: Call | None = None) -> None:
        self.name = name
        self._given = call

    def put_new(self, item: Item) -> Item | None:
        """Put an item where there is none. Return the one that is in the way."""
        try:
            self._ask(
                "PutItem",
                Item=_packed(item),
                ConditionExpression=ABSENT,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionFailed as failed:
            if failed.item is None:
                message = f"{self._where}: a condition failed, and the item was not returned"
                raise NoAnswer(message, may_land=True) from failed
            return _item(failed.item)
        return None

    def put(self, item: Item) -> None:
        self._ask("PutItem", Item=_packed(item))

    def put_in_place(self, item: Item, *, of: bytes) -> bool:
        """Put an item where there is none, or one of that id. Return whether it was put."""
        try:
            self._ask(
                "PutItem",
                Item=_packed(item),
                ConditionExpression=ABSENT_OR_THAT,
                ExpressionAttributeValues=_packed({":id": of}),
            )
        except ConditionFailed:
            return False
        return True

    def raise_floor(self, pk: str, sk: int, floor: int) -> None:
        """Put an item with a floor, unless there is one that is as high."""
        item = _packed({"pk": pk, "sk": sk, "floor": floor})
        values = {":floor": item["floor"]}
        with suppress(ConditionFailed):
            self._ask(
                "PutItem",
                ConditionExpression=ABSENT_OR_LESS,
                ExpressionAttributeValues=values,
                Item=item,
            )

    def delete(self, pk: str, sk: int) -> None:
        self._ask("DeleteItem", Key=_packed({"pk": pk, "sk": sk}))

    def get(self, pk: str, sk: int) -> Item | None:
        key = _packed({"pk": pk, "sk": sk})
        found = self._ask("GetItem", Key=key, ConsistentRead=True).get("Item")
        return None if found is None else _item(found)

    def behind(
        self, pk: str, sk: int, *, most: int | None = None, pages: int | None = None
    ) -> list[Item]:
        """Return the newest state of the items with a greater `sk`, in order; the first ones, if
        `most` items or `pages` of 1 MB are enough."""
        items: list[Item] = []
        more: dict[str, Any] = {} if most is None else {"Limit": most}
        for _page in range(PAGES_MAX if pages is None else pages):
            page = self._ask(
                "Query",
                KeyConditionExpression="pk = :pk AND sk > :sk",
                ExpressionAttributeValues=_packed({":pk": pk, ":sk": sk}),
                ConsistentRead=True,
                **more,
            )
            items += map(_item, page["Items"])
            if "LastEvaluatedKey" not in page or (most is not None and len(items) >= most):
                return items
            more["ExclusiveStartKey"] = page["LastEvaluatedKey"]
        if pages is not None:
            return items
        raise StorageError(f"{self._where}: more than {PAGES_MAX:,} MB behind {sk}")

    def newest(self, pk: str, most: int) -> list[Item]:
        """Return the newest state of the items with the greatest `sk`, the greatest first."""
        page = self._ask(
            "Query",
            KeyConditionExpression="pk = :pk AND sk > :sk",
            ExpressionAttributeValues=_packed({":pk": pk, ":sk": 0}),
            ConsistentRead=True,
            ScanIndexForward=False,
            Limit=most,
        )
        return [_item(item) for item in page["Items"]]

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        with answered(self._where):
            return self._call(operation, {"TableName": self.name, **request})

    @cached_property
    def _call(self) -> Call:
        """The calls of the process's environment, made with the first of them."""
        return self._given or DynamoDB().call

    @property
    def _where(self) -> str:
        return f"the table {self.name!r}"


def first_of(items: list[Item], size_bytes: int) -> list[Item]:
    """Return the first records that have so many bytes together, or one that has more."""
    for number, item in enumerate(items):
        size_bytes -= cast("int", item.get("n", len(cast("bytes", item.get("d", b"")))))
        if size_bytes < 0:
            return items[: max(1, number)]
    return items


def _packed(item: Mapping[str, Value]) -> dict[str, Any]:
    return {name: _value(value) for name, value in item.items()}


def _value(value: Value) -> dict[str, Any]:
    if isinstance(value, int):
        return {"N": str(value)}
    return binary(value) if isinstance(value, bytes) else {"S": value}


def _item(packed: Mapping[str, Any]) -> Item:
    return {name: _unpacked(value) for name, value in packed.items()}


def _unpacked(value: Mapping[str, Any]) -> Value:
    ((kind, content),) = value.items()
    if kind == "N":
        return int(content)
    return bytes_of({"B": content}) if kind == "B" else str(content)
