"""The table of the databases' logs, as it is asked for what the service itself keeps in it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlatch.kernel.aws.dynamodb import Attribute
from sqlatch.kernel.aws.errors import AwsError, ConditionFailed, Throttled, Unavailable
from sqlatch.kernel.errors import StorageError

WAITS_S = (0.05, 0.2)
"""Before what was not answered is asked again."""

PAGES_MAX = 100
"""Of one query, of 1 MB each: more than streams have."""

ABSENT = "attribute_not_exists(pk)"

Call = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Ask DynamoDB for an operation, once; AwsError."""

Item = Mapping[str, Attribute]
Write = dict[str, Any]
"""One of the writes of a transaction: `{"Put": ...}`, without the name of the table."""


class Table:
    """A table with the keys `pk` (S) and `sk` (N). The newest state is read.

    What is not answered is asked again a few times, so a write may be done twice, or be refused
    (ConditionFailed) since it was done before. StorageError if there is no answer then, or another
    refusal.
    """

    def __init__(
        self, name: str, call: Call, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self.name = name
        self._once = call
        self._sleep = sleep

    def get(self, key: Item) -> Item | None:
        item: Item | None = self._ask("GetItem", Key=key, ConsistentRead=True).get("Item")
        return item

    def put(self, item: Item) -> None:
        self._ask("PutItem", Item=item)

    def put_new(self, item: Item) -> None:
        """Put an item where there is none; leave the one that is there."""
        with suppress(ConditionFailed):
            self._ask("PutItem", Item=item, ConditionExpression=ABSENT)

    def update(self, request: Write) -> None:
        self._ask("UpdateItem", **request)

    def query(self, condition: str, values: Mapping[str, Attribute], **more: Any) -> Iterator[Item]:
        """Yield the items of the first `PAGES_MAX` pages."""
        start: dict[str, Any] = {}
        for _page in range(PAGES_MAX):
            page = self.page(condition, values, **more, **start)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def page(self, condition: str, values: Mapping[str, Attribute], **more: Any) -> dict[str, Any]:
        """Return one page: `Items`, and `LastEvaluatedKey` if there may be more."""
        return self._ask(
            "Query",
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=True,
            **more,
        )

    def transact(self, writes: Sequence[Write]) -> None:
        """Do all of the writes, or none: ConditionFailed."""
        named = [
            {verb: {"TableName": self.name, **write} for verb, write in one.items()}
            for one in writes
        ]
        self._call("TransactWriteItems", {"TransactItems": named})

    def _ask(self, operation: str, **request: Any) -> dict[str, Any]:
        return self._call(operation, {"TableName": self.name, **request})

    def _call(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        waits_s = iter(WAITS_S)
        while True:
            try:
                return self._once(operation, request)
            except ConditionFailed:
                raise
            except AwsError as error:
                wait_s = next(waits_s, None)
                if wait_s is None or not isinstance(error, Throttled | Unavailable):
                    raise self._storage_error(error) from error
            self._sleep(wait_s)

    def _storage_error(self, error: AwsError) -> StorageError:
        code = getattr(error, "code", None)
        facts = {"aws_code": code} if code else {}
        return StorageError(f"the table {self.name!r}: {error}", table=self.name, **facts)


def key_of(pk: str, sk: int) -> dict[str, Attribute]:
    return {"pk": {"S": pk}, "sk": number(sk)}


def number(value: float) -> Attribute:
    return {"N": str(value) if isinstance(value, int) else f"{value:.6f}"}
