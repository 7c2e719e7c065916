"""DynamoDB: a call is one request, with the answer as DynamoDB writes it."""

import base64
import json
import os
import time
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from sqlatch.kernel.aws.answer import OK, SERVER_ERROR, TOO_MANY_REQUESTS, Answer
from sqlatch.kernel.aws.errors import (
    AwsError,
    ConditionFailed,
    Garbled,
    Refused,
    ServerFailed,
    Throttled,
)
from sqlatch.kernel.aws.service import Service
from sqlatch.kernel.aws.signature import Request

Attribute = dict[str, Any]

API = "DynamoDB_20120810"

THROTTLING = frozenset({
    "LimitExceededException", "ProvisionedThroughputExceededException", "RequestLimitExceeded",
    "ThrottlingException",
})  # fmt: skip
TRANSIENT = frozenset({
    "InternalServerError", "InternalFailure", "RequestTimeout", "ServiceUnavailable",
    "TransactionConflictException",
})  # fmt: skip
"""Codes of refusals that may pass: of too many calls, and of a failure within AWS."""

CONDITION = "ConditionalCheckFailed"
PASSING = frozenset({"ProvisionedThroughputExceeded", "ThrottlingError", "TransactionConflict"})
"""Reasons, each for one write of a transaction, for which none of it has happened."""


class DynamoDB:
    """DynamoDB as the environment names it. Threads may share it, and a fork may go on with it.

    Arguments and answers are DynamoDB's own JSON, with typed attributes: `{"S": "text"}`,
    `{"N": "1"}`, `binary(content)`. `deadline_s` in epoch seconds. What a call can end with is in
    `errors`. Nothing is sent again but as `Connection` says: a write needs a condition, and an id
    to be known by.
    """

    def __init__(
        self, environment: Mapping[str, str] = os.environ, *, now: Callable[[], float] = time.time
    ) -> None:
        self._service = Service("dynamodb", environment, now=now)

    def get_item(self, *, deadline_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Return `{"Item": ...}`, without it if there is none."""
        return self.call("GetItem", request, deadline_s)

    def query(self, *, deadline_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Return one page: `{"Items": [...]}`, with `LastEvaluatedKey` if there may be more."""
        return self.call("Query", request, deadline_s)

    def scan(self, *, deadline_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Return one page, as `query` does."""
        return self.call("Scan", request, deadline_s)

    def put_item(self, *, deadline_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Put an item; ConditionFailed with the one that stands there, if that is asked for."""
        return self.call("PutItem", request, deadline_s)

    def update_item(self, *, deadline_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Change an item; ConditionFailed with the one that stands there, if that is asked for."""
        return self.call("UpdateItem", request, deadline_s)

    def delete_item(self, *, deadline_s: float | None = None, **request: Any) -> dict[str, Any]:
        """Delete an item; ConditionFailed with the one that stands there, if that is asked for."""
        return self.call("DeleteItem", request, deadline_s)

    def close(self) -> None:
        self._service.close()

    def call(
        self, operation: str, request: dict[str, Any], deadline_s: float | None = None
    ) -> dict[str, Any]:
        """Return the answer to any operation of DynamoDB's, by its name."""
        sent = Request(
            "POST",
            headers={
                "content-type": "application/x-amz-json-1.0",
                "x-amz-target": f"{API}.{operation}",
            },
            body=json.dumps(request, separators=(",", ":")).encode(),
        )
        answer = self._service.send(sent, deadline_s=deadline_s)
        content = _content(answer)
        if answer.status != OK:
            raise _error(answer, content)
        return content


def binary(content: bytes) -> Attribute:
    """Return an attribute of bytes."""
    return {"B": base64.b64encode(content).decode("ascii")}


def bytes_of(attribute: Attribute) -> bytes:
    """Return the bytes of such an attribute; Garbled if it holds none."""
    try:
        return base64.b64decode(attribute["B"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise Garbled(f"the attribute holds no bytes: {error!r}") from error


def _content(answer: Answer) -> dict[str, Any]:
    """Return the object of an answer; of an error's answer an empty one if it holds none."""
    checksum = answer.headers.get("x-amz-crc32")
    if checksum is not None and checksum != str(zlib.crc32(answer.body)):
        raise Garbled("DynamoDB's answer does not match its checksum")
    try:
        content = json.loads(answer.body)
    except ValueError:
        content = None
    if isinstance(content, dict):
        return content
    if answer.status == OK:
        raise Garbled(f"DynamoDB's answer is not an object of JSON: {answer.body[:80]!r}")
    return {}


def _error(answer: Answer, content: dict[str, Any]) -> AwsError:
    status = answer.status
    code = str(content.get("__type", "")).rpartition("#")[2] or str(status)
    message = str(content.get("message") or content.get("Message") or "")
    reasons = {reason.get("Code") for reason in content.get("CancellationReasons", [])}
    if code == "ConditionalCheckFailedException" or CONDITION in reasons:
        return ConditionFailed(code, message, status=status, item=content.get("Item"))
    if answer.is_second:
        return ServerFailed(code, message)
    if code in THROTTLING or status == TOO_MANY_REQUESTS or reasons & PASSING:
        return Throttled(code, message)
    if code in TRANSIENT or status >= SERVER_ERROR:
        return ServerFailed(code, message)
    return Refused(code, message, status=status)
