"""DynamoDB and S3 as fast as the real ones: one step at a time, in a process of its own.

moto needs 5 ms of processor time for a call, so with several writers its queue would be what is
measured. This one needs 0.2 ms, and knows no more than what logs and locks ask.

    python -m benchmarks.cloud_server [DELAY_MS]     prints its URL, serves until its stdin ends
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.expressions import Item, condition, update
from tests.faults import cloud_server
from tests.faults.cloud_server import Faults, Refused
from tests.servers import serving

NUMBER = "N"


@contextmanager
def running(delay_ms: float = 0) -> Iterator[str]:
    """The URL of a server without tables that answers so much late, alive inside the block."""
    with serving("benchmarks.cloud_server", str(delay_ms)) as url:
        yield url


class Server(cloud_server.Server):
    """A table whose items are numbered is that of logs; the others are tables of locks."""

    def __init__(self, delay_ms: float) -> None:
        super().__init__(Faults(delay_s=delay_ms / 1000))
        self._locks = Locks()
        self._logs: set[str] = set()

    def _asked(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        if _is_numbered(request):
            self._logs.add(request["TableName"])
        if request["TableName"] in self._logs:
            return super()._asked(operation, request)
        answer: dict[str, Any] = getattr(self._locks, operation)(request)
        return answer


def _is_numbered(request: Mapping[str, Any]) -> bool:
    return any(each["AttributeType"] == NUMBER for each in request.get("AttributeDefinitions", ()))


class Locks:
    """Items by table and key. Each method is an operation, and one atomic step."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}
        self._items: dict[tuple[str, ...], Item] = {}

    def CreateTable(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["TableName"]
        self._keys[name] = [part["AttributeName"] for part in request["KeySchema"]]
        return {"TableDescription": {"TableName": name, "TableStatus": "ACTIVE"}}

    def GetItem(self, request: Mapping[str, Any]) -> dict[str, Any]:
        item = self._items.get(self._place(request, request["Key"]))
        return {"Item": item} if item else {}

    def Scan(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._key_of(request)
        holds = condition(request["FilterExpression"])
        table = [item for place, item in self._items.items() if place[0] == request["TableName"]]
        return {"Items": [item for item in table if holds(item, _names(request))]}

    def PutItem(self, request: Mapping[str, Any]) -> dict[str, Any]:
        place, before = self._checked(request, request["Item"])
        self._items[place] = request["Item"]
        return _old(request, before)

    def UpdateItem(self, request: Mapping[str, Any]) -> dict[str, Any]:
        place, before = self._checked(request, request["Key"])
        item = {**before, **request["Key"]}
        update(request["UpdateExpression"])(item, before, _names(request))
        self._items[place] = item
        return _old(request, before)

    def DeleteItem(self, request: Mapping[str, Any]) -> dict[str, Any]:
        place, before = self._checked(request, request["Key"])
        self._items.pop(place, None)
        return _old(request, before)

    def _checked(self, request: Mapping[str, Any], key: Item) -> tuple[tuple[str, ...], Item]:
        place = self._place(request, key)
        before = self._items.get(place, {})
        text = request.get("ConditionExpression")
        if text and not condition(text)(before, _names(request)):
            shown = before if "ReturnValuesOnConditionCheckFailure" in request else None
            raise Refused("ConditionalCheckFailedException", shown)
        return place, before

    def _place(self, request: Mapping[str, Any], key: Item) -> tuple[str, ...]:
        return (request["TableName"], *(key[name]["S"] for name in self._key_of(request)))

    def _key_of(self, request: Mapping[str, Any]) -> list[str]:
        if request["TableName"] not in self._keys:
            raise Refused("ResourceNotFoundException")
        return self._keys[request["TableName"]]


def _names(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **request.get("ExpressionAttributeNames", {}),
        **request.get("ExpressionAttributeValues", {}),
    }


def _old(request: Mapping[str, Any], before: Item) -> dict[str, Any]:
    return {"Attributes": before} if before and request.get("ReturnValues") == "ALL_OLD" else {}


if __name__ == "__main__":
    asyncio.run(cloud_server.serve(Server(float(sys.argv[1]))))
