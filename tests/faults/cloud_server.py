"""DynamoDB and S3 as far as a log asks them, in one process, that lose what they are told to lose.

A request is lost, or its answer, or it lands late, after the client was cut off. Each operation is
one atomic step. tests/storage/log compares it with moto.

    python -m tests.faults.cloud_server FAULTS      prints its URL, serves until its stdin ends

FAULTS is JSON: the fields of `Faults`.
"""

import asyncio
import json
import random
import sys
import zlib
from bisect import bisect_right, insort
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.utils import formatdate
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from storage.log.table import ABSENT, ABSENT_OR_LESS, ABSENT_OR_THAT
from tests.faults.cloud_buckets import Answer, Buckets, Request
from tests.servers import serving

PAGE_BYTES = 1_000_000
COUNTS_PATH = "/counts"


@dataclass(frozen=True, slots=True)
class Faults:
    """The chance of each fault, the longest delay of what lands late, the delay of an answer."""

    lost_request: float = 0.0
    lost_answer: float = 0.0
    late: float = 0.0
    late_s: float = 0.5
    delay_s: float = 0.0


@contextmanager
def running(faults: Faults | None = None) -> Iterator[str]:
    """The URL of a server without tables, alive inside the block."""
    with serving("tests.faults.cloud_server", json.dumps(asdict(faults or Faults()))) as url:
        yield url


def counts(url: str) -> dict[str, int]:
    """Return how often each operation was asked for, and each fault happened."""
    connection = HTTPConnection(urlsplit(url).netloc)
    connection.request("GET", COUNTS_PATH)
    said: dict[str, int] = json.loads(connection.getresponse().read())
    connection.close()
    return said


class Refused(Exception):
    def __init__(self, code: str, item: dict[str, Any] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.item = item


class Items:
    """The items of one `pk`, in the order of their `sk`."""

    def __init__(self) -> None:
        self.by_number: dict[int, dict[str, Any]] = {}
        self.numbers: list[int] = []


class Tables:
    def __init__(self) -> None:
        self._tables: dict[str, dict[str, Items]] = {}

    def CreateTable(self, request: dict[str, Any]) -> dict[str, Any]:
        self._tables.setdefault(request["TableName"], {})
        return {"TableDescription": {"TableStatus": "ACTIVE"}}

    def PutItem(self, request: dict[str, Any]) -> dict[str, Any]:
        items, number = self._found(request, request["Item"])
        self._check(request, items.by_number.get(number))
        if number not in items.by_number:
            insort(items.numbers, number)
        items.by_number[number] = request["Item"]
        return {}

    def DeleteItem(self, request: dict[str, Any]) -> dict[str, Any]:
        items, number = self._found(request, request["Key"])
        self._check(request, items.by_number.get(number))
        if items.by_number.pop(number, None) is not None:
            items.numbers.remove(number)
        return {}

    def GetItem(self, request: dict[str, Any]) -> dict[str, Any]:
        items, number = self._found(request, request["Key"])
        item = items.by_number.get(number)
        return {"Item": item} if item else {}

    def Query(self, request: dict[str, Any]) -> dict[str, Any]:
        assert request["KeyConditionExpression"] in {"pk = :pk AND sk > :sk", "pk = :pk"}
        assert request["ConsistentRead"]
        values = {":sk": {"N": "-1"}, **request["ExpressionAttributeValues"]}
        items, number = self._found(request, {"pk": values[":pk"], "sk": values[":sk"]})
        assert not (items.numbers and "FilterExpression" in request)
        if "ExclusiveStartKey" in request:
            number = int(request["ExclusiveStartKey"]["sk"]["N"])
        page: list[dict[str, Any]] = []
        size_bytes = 0
        numbers = items.numbers[bisect_right(items.numbers, number) :]
        for each in numbers if request.get("ScanIndexForward", True) else reversed(numbers):
            if size_bytes >= PAGE_BYTES or len(page) == request.get("Limit"):
                key = {name: page[-1][name] for name in ("pk", "sk")}
                return {"Items": page, "LastEvaluatedKey": key}
            page.append(items.by_number[each])
            size_bytes += len(page[-1].get("d", {}).get("B", "")) * 3 // 4
        return {"Items": page}

    def _found(self, request: dict[str, Any], key: dict[str, Any]) -> tuple[Items, int]:
        if request["TableName"] not in self._tables:
            raise Refused("ResourceNotFoundException")
        items = self._tables[request["TableName"]].setdefault(key["pk"]["S"], Items())
        return items, int(key["sk"]["N"])

    def _check(self, request: dict[str, Any], item: dict[str, Any] | None) -> None:
        values = request.get("ExpressionAttributeValues", {})
        is_that = item is not None and item.get("id") == values.get(":id")
        condition = request.get("ConditionExpression")
        if condition == ABSENT_OR_LESS:
            holds = item is None or _floor(item["floor"]) < _floor(values[":floor"])
        else:
            may_be_absent = condition in {None, ABSENT, ABSENT_OR_THAT}
            may_be_that = condition == ABSENT_OR_THAT and is_that
            holds = condition is None or (item is None and may_be_absent) or may_be_that
        if not holds:
            shown = item if "ReturnValuesOnConditionCheckFailure" in request else None
            raise Refused("ConditionalCheckFailedException", shown)


def _floor(value: dict[str, str]) -> int:
    return int(value["N"])


class Server:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._tables = Tables()
        self._buckets = Buckets()
        self._counts: Counter[str] = Counter()

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                answer = await self._answer(request)
                if answer is None:
                    break
                writer.write(_encoded(answer))
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        writer.close()

    async def _answer(self, request: Request) -> Answer | None:
        """Do what is asked; None: the client is cut off."""
        if request.target == COUNTS_PATH:
            return Answer(200, json.dumps(self._counts).encode())
        if self._faults.delay_s:
            await asyncio.sleep(self._faults.delay_s)
        chance = random.random()
        if chance < self._faults.lost_request:
            self._counts["lost_request"] += 1
            return None
        chance -= self._faults.lost_request
        if chance < self._faults.late:
            self._counts["late"] += 1
            delay_s = random.random() * self._faults.late_s
            asyncio.get_running_loop().call_later(delay_s, self._do, request)
            return None
        answer = self._do(request)
        if chance - self._faults.late < self._faults.lost_answer:
            self._counts["lost_answer"] += 1
            return None
        return answer

    def _do(self, request: Request) -> Answer:
        operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
        self._counts[operation or request.method] += 1
        if not operation:
            return self._buckets.answer(request)
        try:
            status, said = 200, self._asked(operation, json.loads(request.body))
        except Refused as refused:
            self._counts[f"{operation} {refused.code}"] += 1
            status, said = 400, {"__type": f"com.amazonaws#{refused.code}", "message": ""}
            if refused.item:
                said["Item"] = refused.item
        body = json.dumps(said).encode()
        return Answer(status, body, (("x-amz-crc32", str(zlib.crc32(body))),))

    def _asked(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = getattr(self._tables, operation)(request)
        return answer


async def _request(reader: asyncio.StreamReader) -> Request | None:
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
        return None
    first, *lines = text.rstrip().split("\r\n")
    method, target, _version = first.split(" ")
    pairs = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _colon, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, target, headers, body)


def _encoded(answer: Answer) -> bytes:
    headers = [("content-length", str(len(answer.body))), ("date", formatdate(usegmt=True))]
    lines = [f"HTTP/1.1 {answer.status} -", *(": ".join(each) for each in headers)]
    lines += [": ".join(each) for each in answer.headers]
    return "\r\n".join([*lines, "", ""]).encode() + answer.body


async def serve(cloud: Server) -> None:
    """Print the URL, and answer until stdin ends."""
    server = await asyncio.start_server(cloud.converse, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Server(Faults(**json.loads(sys.argv[1])))))
