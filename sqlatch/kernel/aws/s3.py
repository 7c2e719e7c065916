"""Objects in a bucket of S3: read whole or in part, put, deleted, listed."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from sqlatch.kernel.aws.answer import (
    MULTIPLE_CHOICES,
    OK,
    PARTIAL_CONTENT,
    PRECONDITION_FAILED,
    SERVER_ERROR,
    TOO_MANY_REQUESTS,
    Answer,
)
from sqlatch.kernel.aws.errors import (
    AwsError,
    ConditionFailed,
    Garbled,
    NotFound,
    Refused,
    ServerFailed,
    Throttled,
)
from sqlatch.kernel.aws.service import Service
from sqlatch.kernel.aws.signature import Request

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

THROTTLING = frozenset({"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded"})
TRANSIENT = frozenset({"ConditionalRequestConflict", "OperationAborted", "RequestTimeout"})
"""Codes that may pass, beside all of 5xx: of a call at the same time as another, or too slow."""

PAGE_KEYS = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """An object in a listing."""

    key: str
    size: int
    etag: str
    written_s: float
    """By the clock of S3, epoch seconds."""


@dataclass(frozen=True, slots=True)
class Page:
    """Objects in the order of their keys; `more` is for the next page, None at the end."""

    objects: tuple[Listed, ...]
    more: str | None


class Bucket:
    """A bucket as the environment names S3. Threads may share it, and a fork may go on with it.

    `deadline_s` in epoch seconds. What a call can end with is in `errors`. Nothing is sent again
    but as `Connection` says: a put under `only_new` whose answer was lost may find its own object.
    """

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str] = os.environ,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._service = Service("s3", environment, now=now, bucket=name)

    def get(
        self,
        key: str,
        *,
        first: int = 0,
        last: int | None = None,
        deadline_s: float | None = None,
    ) -> bytes:
        """Return the bytes `first` to `last`, both included; fewer where the object ends sooner.

        NotFound without the object, Refused with the code InvalidRange if `first` lies behind it.
        """
        if first == 0 and last is None:
            return self.send("GET", key, deadline_s=deadline_s).body
        headers = {"range": f"bytes={first}-{'' if last is None else last}"}
        answer = self.send("GET", key, headers=headers, deadline_s=deadline_s)
        stated = answer.headers.get("content-range", "")
        if answer.status != PARTIAL_CONTENT or not stated.startswith(f"bytes {first}-"):
            raise Garbled(f"S3 answered {headers['range']} with {answer.status} {stated!r}")
        return answer.body

    def size(self, key: str, *, deadline_s: float | None = None) -> int:
        """Return the size of an object; NotFound without it."""
        answer = self.send("HEAD", key, deadline_s=deadline_s)
        try:
            return int(answer.headers["content-length"])
        except (KeyError, ValueError) as error:
            raise Garbled("S3's answer has no length") from error

    def put(
        self,
        key: str,
        content: bytes,
        *,
        only_new: bool = False,
        metadata: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> None:
        """Put an object; under `only_new` ConditionFailed if there is one of that key."""
        headers = {**described(metadata), **(headers or {})}
        if only_new:
            headers["if-none-match"] = "*"
        self.send("PUT", key, headers=headers, body=content, deadline_s=deadline_s)

    def link(self, key: str, *, valid_s: int) -> tuple[str, float]:
        """Return a URL by which anybody may get an object, and when that ends, epoch seconds."""
        return self._service.presigned(Request("GET", encoded_key(key)), valid_s=valid_s)

    def delete(self, key: str, *, deadline_s: float | None = None) -> None:
        """Delete an object, if there is one."""
        self.send("DELETE", key, deadline_s=deadline_s)

    def list(
        self,
        prefix: str,
        *,
        after: str = "",
        more: str | None = None,
        deadline_s: float | None = None,
    ) -> Page:
        """Return a page of the objects whose keys begin with `prefix` and come behind `after`."""
        wanted = {
            "encoding-type": "url",
            "list-type": "2",
            "max-keys": str(PAGE_KEYS),
            "prefix": prefix,
        }
        if more is not None:
            wanted["continuation-token"] = more
        elif after:
            wanted["start-after"] = after
        answer = self.send("GET", "", query=encoded_query(wanted), deadline_s=deadline_s)
        return _page(answer)

    def close(self) -> None:
        self._service.close()

    def send(
        self,
        method: str,
        key: str,
        *,
        query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_s: float | None,
        silence_s: float | None = None,
    ) -> Answer:
        """Return the answer to a call on an object, or on the bucket itself, whose key is empty."""
        request = Request(method, encoded_key(key), query, headers or {}, body)
        answer = self._service.send(request, deadline_s=deadline_s, silence_s=silence_s)
        if not OK <= answer.status < MULTIPLE_CHOICES:
            raise error_of(answer)
        return answer


def described(metadata: Mapping[str, str] | None) -> dict[str, str]:
    """Return the headers of an object's metadata."""
    return {f"x-amz-meta-{name}": value for name, value in (metadata or {}).items()}


def encoded_key(key: str) -> str:
    """Return the path of an object, as it is sent and as it is signed."""
    return "/" + quote(key, safe="/-_.~")


def encoded_query(wanted: Mapping[str, str]) -> str:
    """Return a query in the order in which it is signed."""
    pairs = ((quote(name, safe="-_.~"), quote(wanted[name], safe="-_.~")) for name in wanted)
    return "&".join(f"{name}={value}" for name, value in sorted(pairs))


def error_of(answer: Answer) -> AwsError:
    status = answer.status
    code, message = _reason(answer.body)
    code = code or str(status)
    if status == PRECONDITION_FAILED:
        return ConditionFailed(code, message, status=status)
    if code in {"NoSuchKey", "404"}:  # without a reason to HEAD
        return NotFound(code, message, status=status)
    if answer.is_second:
        return ServerFailed(code, message)
    if code in THROTTLING or status == TOO_MANY_REQUESTS:
        return Throttled(code, message)
    if code in TRANSIENT or status >= SERVER_ERROR:
        return ServerFailed(code, message)
    return Refused(code, message, status=status)


def _reason(body: bytes) -> tuple[str, str]:
    """Return code and message of an error, empty where it has none: of a proxy's, say."""
    try:
        root = parsed(body)
    except Garbled:
        return "", ""
    return root.findtext("{*}Code", ""), root.findtext("{*}Message", "")


def _page(answer: Answer) -> Page:
    root = parsed(answer.body)
    try:
        found = tuple(
            Listed(
                unquote(text_of(content, "Key")),
                int(text_of(content, "Size")),
                text_of(content, "ETag").strip('"'),
                datetime.fromisoformat(text_of(content, "LastModified")).timestamp(),
            )
            for content in root.iterfind("{*}Contents")
        )
    except ValueError as error:
        raise Garbled(f"S3's answer is not a listing: {error}") from error
    is_cut = text_of(root, "IsTruncated") == "true"
    return Page(found, text_of(root, "NextContinuationToken") if is_cut else None)


def text_of(element: "Element", name: str) -> str:
    text = element.findtext(f"{{*}}{name}")
    if text is None:
        raise Garbled(f"S3's answer has no {name}")
    return text


def parsed(body: bytes) -> "Element":
    # Loaded here: whoever reads and writes objects parses none.
    from xml.etree.ElementTree import ParseError, fromstring

    try:
        return fromstring(body)
    except ParseError as error:
        raise Garbled(f"S3's answer is not XML: {body[:80]!r}") from error
