"""A DynamoDB that answers as fast as the real one: one step at a time, in a process of its own.

moto needs 5 ms of processor time for a call, so with several writers its queue would be what is
measured. This one needs 0.1 ms, and knows no more than what locks ask of it.

    python -m benchmarks.dynamodb_server [DELAY_MS]     prints its URL, serves until its stdin ends
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from benchmarks.children import ROOT
from benchmarks.expressions import Item, condition, update

STOP_S = 10
JSON = "application/x-amz-json-1.0"
PREFIX = "com.amazonaws.dynamodb.v20120810#"


@contextmanager
def running(delay_ms: float = 0) -> Iterator[str]:
    """The URL of a server without tables that answers so much late, alive inside the block."""
    command = [sys.executable, "-m", "benchmarks.dynamodb_server", str(delay_ms)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()
            server.wait(STOP_S)


class Refused(Exception):
    """The condition does not hold for the item."""

    def __init__(self, item: Item) -> None:
        super().__init__("The conditional request failed")
        self.item = item


class NotFound(Exception):
    """There is no such table."""

    def __init__(self) -> None:
        super().__init__("Requested resource not found")


class Tables:
    """Items by table and key. Each method is an operation, and one atomic step."""

    def __init__(self) -> None:
        self._keys: dict[str, list[str]] = {}
        self._items: dict[tuple[str, ...], Item] = {}

    def answer(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self, operation)(request)
        return answer

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
            raise Refused(before if "ReturnValuesOnConditionCheckFailure" in request else {})
        return place, before

    def _place(self, request: Mapping[str, Any], key: Item) -> tuple[str, ...]:
        return (request["TableName"], *(key[name]["S"] for name in self._key_of(request)))

    def _key_of(self, request: Mapping[str, Any]) -> list[str]:
        try:
            return self._keys[request["TableName"]]
        except KeyError as error:
            raise NotFound from error


def _names(request: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **request.get("ExpressionAttributeNames", {}),
        **request.get("ExpressionAttributeValues", {}),
    }


def _old(request: Mapping[str, Any], before: Item) -> dict[str, Any]:
    return {"Attributes": before} if before and request.get("ReturnValues") == "ALL_OLD" else {}


async def _serve(tables: Tables, delay_s: float) -> None:
    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            body = await reader.readexactly(int(head["content-length"]))
            await asyncio.sleep(delay_s)
            operation = head["x-amz-target"].rpartition(".")[2]
            writer.write(_response(tables, operation, json.loads(body)))
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def _head(reader: asyncio.StreamReader) -> dict[str, str]:
    """The headers of the next request; none when the client has gone, or the server goes."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        return {}
    lines = (line.partition(":") for line in text.split("\r\n")[1:] if line)
    return {name.lower(): value.strip() for name, _colon, value in lines}


def _response(tables: Tables, operation: str, request: dict[str, Any]) -> bytes:
    try:
        status, answer = "200 OK", tables.answer(operation, request)
    except Refused as refused:
        status = "400 Bad Request"
        answer = {
            "__type": f"{PREFIX}ConditionalCheckFailedException",
            "message": str(refused),
            **({"Item": refused.item} if refused.item else {}),
        }
    except NotFound as not_found:
        status = "400 Bad Request"
        answer = {"__type": f"{PREFIX}ResourceNotFoundException", "message": str(not_found)}
    body = json.dumps(answer).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: {JSON}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


if __name__ == "__main__":
    asyncio.run(_serve(Tables(), float(sys.argv[1]) / 1000))
