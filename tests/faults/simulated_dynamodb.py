"""A table of DynamoDB in memory: one item a step, with the expressions that `locking` sends.

It reads the expressions themselves, so a condition that is wrong there is wrong here. That it
answers as DynamoDB does is tested against moto.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from sqlatch.kernel.aws.errors import AwsError, ConditionFailed, Throttled

Item = dict[str, dict[str, str]]

TERM = re.compile(r"^(?P<left>\w+) (?P<operator>[=<]) (?P<right>:\w+)$")
MISSING = re.compile(r"^attribute_not_exists\((?P<name>\w+)\)$")
PRESENT = re.compile(r"^attribute_exists\((?P<name>\w+)\)$")
SUM = re.compile(r"^if_not_exists\((?P<name>\w+), (?P<first>:\w+)\) \+ (?P<plus>:\w+)$")


class SimulatedDynamoDB:
    """The part of a client that `locking.dynamodb` uses; each call is one atomic step."""

    def __init__(self) -> None:
        self.items: dict[str, Item] = {}

    def update_item(self, **request: Any) -> dict[str, Any]:
        key, before = self._checked(request)
        item = {**before, **request["Key"]}
        _update(item, request["UpdateExpression"], request["ExpressionAttributeValues"])
        self.items[key] = item
        return {"Attributes": before} if before and "ReturnValues" in request else {}

    def delete_item(self, **request: Any) -> dict[str, Any]:
        key, _before = self._checked(request)
        self.items.pop(key, None)
        return {}

    def close(self) -> None:
        """As a client."""

    def _checked(self, request: Mapping[str, Any]) -> tuple[str, Item]:
        key = request["Key"]["pk"]["S"]
        before = dict(self.items.get(key, {}))
        terms = request["ConditionExpression"].split(" OR ")
        values = request["ExpressionAttributeValues"]
        if any(_holds(term, before, values) for term in terms):
            return key, before
        told = before if "ReturnValuesOnConditionCheckFailure" in request else {}
        raise ConditionFailed("ConditionalCheckFailedException", "", status=400, item=told or None)


class MeteredDynamoDB(SimulatedDynamoDB):
    """One that takes `UNITS_A_SECOND` writes for an item, and a burst of what a second left over.

    A write whose condition does not hold costs a unit too, one that is throttled does not.
    """

    UNITS_A_SECOND = 1_000.0

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._now = now
        self._units = self.UNITS_A_SECOND
        self._counted_at_s = now()

    def update_item(self, **request: Any) -> dict[str, Any]:
        self._meter()
        return super().update_item(**request)

    def _meter(self) -> None:
        now_s = self._now()
        gained = (now_s - self._counted_at_s) * self.UNITS_A_SECOND
        self._units = min(self._units + gained, self.UNITS_A_SECOND)
        self._counted_at_s = now_s
        if self._units < 1:
            self.counts["throttled"] += 1
            raise throttled()
        self.counts["taken"] += 1
        self._units -= 1


def throttled() -> AwsError:
    """The refusal of one call too many."""
    return Throttled("ThrottlingException", "")


def _holds(term: str, item: Item, values: Item) -> bool:
    if found := MISSING.match(term):
        return found["name"] not in item
    if found := PRESENT.match(term):
        return found["name"] in item
    found = TERM.match(term)
    assert found, f"a condition that the simulation does not know: {term}"
    if found["left"] not in item:
        return False
    left, right = _value(item[found["left"]]), _value(values[found["right"]])
    return left < right if found["operator"] == "<" else left == right


def _update(item: Item, expression: str, values: Item) -> None:
    verb, _, rest = expression.partition(" ")
    if verb == "REMOVE":
        for name in rest.split(", "):
            item.pop(name, None)
        return
    assert verb == "SET", expression
    for assignment in re.split(r", (?=\w+ = )", rest):
        name, _, value = assignment.partition(" = ")
        found = SUM.match(value)
        if not found:
            item[name] = values[value]
            continue
        first = item.get(found["name"], values[found["first"]])
        item[name] = {"N": str(int(_value(first)) + int(_value(values[found["plus"]])))}


def _value(value: Mapping[str, str]) -> Any:
    return float(value["N"]) if "N" in value else value["S"]
