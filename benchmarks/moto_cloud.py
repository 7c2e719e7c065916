"""DynamoDB and S3 with the times and the meters of AWS, for peers that ask much of both: moto.

    python -m benchmarks.moto_cloud     prints its URL, serves until its stdin ends

A call is answered as late as AWS would: moto's own time is part of that. GET /times/on and
/times/off begin and end that; it is off at first. GET /bill answers what was metered so far.
"""

import base64
import io
import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from time import monotonic, sleep
from typing import Any
from urllib.request import urlopen

from tests.dynamodb_server import moto, serve
from tests.servers import serving

DYNAMODB_S = 0.004
S3_S = 0.020
S3_BYTES_A_S = 90e6
WRITE_UNIT_BYTES = 1024
READ_UNIT_BYTES = 4096
SETTLED_S = 3.0
TIMES = "/times/"
BILL = "/bill"
WRITES = ("PutItem", "UpdateItem", "DeleteItem")
READS = ("GetItem", "Query", "Scan")
FREE = "DELETE"
RANGE = re.compile(r"bytes=(\d+)-(\d*)")

Bill = dict[str, float]
NOTHING: Bill = dict.fromkeys(
    ("calls", "bytes", "write_units", "read_units", "s3_writes", "s3_reads", "free"), 0.0
)


@contextmanager
def running() -> Iterator[str]:
    """The URL of a server without tables and buckets, alive inside the block."""
    with serving("benchmarks.moto_cloud", stderr=subprocess.DEVNULL) as url:
        yield url


@contextmanager
def timed(url: str) -> Iterator[None]:
    """Have calls take the times of AWS inside the block."""
    _get(url + TIMES + "on")
    try:
        yield
    finally:
        _get(url + TIMES + "off")


def bill(url: str) -> Bill:
    """Return what was metered so far: calls, their bytes both ways, and what they are paid by."""
    answer: Bill = json.loads(_get(url + BILL))
    return NOTHING | answer


def settle(url: str) -> None:
    """Wait until nobody has called for SETTLED_S."""
    calls, calls_before = -1.0, -2.0
    while calls != calls_before:
        sleep(SETTLED_S)
        calls, calls_before = bill(url)["calls"], calls


class Metered:
    """A WSGI application behind the times of AWS, whose calls are counted."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self._app = app
        self._counted: Counter[str] = Counter()
        self._is_timed = False

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == BILL or path.startswith(TIMES):
            self._is_timed = (path == TIMES + "on") if path != BILL else self._is_timed
            start_response("200 OK", [("content-type", "application/json")])
            return [json.dumps(self._counted).encode()]
        started_s = monotonic()
        body = _whole(environ)
        part = _part(environ, start_response)
        answer = [b"".join(self._app(environ, start_response)) if part is None else part]
        target = environ.get("HTTP_X_AMZ_TARGET", "")
        bytes_moved = len(body) + len(answer[0])
        self._counted.update({"calls": 1, "bytes": bytes_moved})
        if target:
            self._counted.update(_units(target.rpartition(".")[2], body, answer[0]))
            due_s = DYNAMODB_S
        else:
            self._counted[_kind(environ)] += 1
            due_s = S3_S + bytes_moved / S3_BYTES_A_S
        if self._is_timed:
            sleep(max(0.0, started_s + due_s - monotonic()))
        return answer


def _part(environ: dict[str, Any], start_response: Any) -> bytes | None:
    """Return the range of an object that is asked for, None if none is: moto reads all of it."""
    wanted = RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    if wanted is None or environ["REQUEST_METHOD"] != "GET":
        return None
    from moto.core.models import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    bucket, _, key = environ["PATH_INFO"].lstrip("/").partition("/")
    stored = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
    first = int(wanted[1])
    if stored is None or first >= stored.size:
        return None
    last = min(int(wanted[2] or stored.size), stored.size - 1)
    with stored.lock:
        stored._value_buffer.seek(first)
        content: bytes = stored._value_buffer.read(last + 1 - first)
    headers = [
        ("content-range", f"bytes {first}-{last}/{stored.size}"),
        ("content-length", str(len(content))),
        ("etag", stored.etag),
        ("last-modified", stored.last_modified_RFC1123),
    ]
    start_response("206 Partial Content", headers)
    return content


def _whole(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def _kind(environ: dict[str, Any]) -> str:
    if environ["REQUEST_METHOD"] == FREE:
        return "free"
    is_list = environ["REQUEST_METHOD"] == "GET" and "list-type" in environ["QUERY_STRING"]
    is_write = environ["REQUEST_METHOD"] in ("PUT", "POST")
    return "s3_writes" if is_write or is_list else "s3_reads"


def _units(operation: str, body: bytes, answer: bytes) -> dict[str, int]:
    if operation in WRITES:
        item = json.loads(body).get("Item", {})
        return {"write_units": max(1, ceil(_size(item) / WRITE_UNIT_BYTES))}
    if operation in READS:
        found = json.loads(answer or b"{}")
        items = found.get("Items", [found.get("Item", {})])
        return {"read_units": max(1, ceil(sum(map(_size, items)) / READ_UNIT_BYTES))}
    return {}


def _size(item: dict[str, dict[str, Any]]) -> int:
    """The bytes of an item, names included, as DynamoDB counts them (a number about half)."""
    return sum(len(name) + _value_size(*next(iter(value.items()))) for name, value in item.items())


def _value_size(kind: str, value: Any) -> int:
    if kind == "B":
        return len(base64.b64decode(value))
    return len(value) // 2 + 2 if kind == "N" else len(str(value))


def _get(url: str) -> bytes:
    with urlopen(url) as answer:
        content: bytes = answer.read()
    return content


if __name__ == "__main__":
    serve(Metered(moto()), "127.0.0.1")
