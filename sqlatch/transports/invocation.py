"""A direct invoke as callers see it: its event for the HTTP door, and the errors in its answers."""

import base64
import binascii
import gzip
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from sqlatch.errors import error_of_text
from sqlatch.failures import (
    NOTHING,
    BadUrl,
    CallFailed,
    FunctionDied,
    FunctionFailed,
    FunctionNotFound,
    NotPermitted,
    RequestTooLarge,
    Throttled,
    UnexpectedAnswer,
)
from sqlatch.transports.transport import reply_of, shown

REQUEST_BYTES_MAX = 6 * 1024 * 1024 - 1024

_FAILURES: dict[str, type[CallFailed]] = {
    "ResourceNotFoundException": FunctionNotFound,
    "TooManyRequestsException": Throttled,
    "ThrottlingException": Throttled,
    "EC2ThrottledException": Throttled,
    "RequestTooLargeException": RequestTooLarge,
    "RequestEntityTooLargeException": RequestTooLarge,
    "413": RequestTooLarge,
    "AccessDeniedException": NotPermitted,
    "ExpiredTokenException": NotPermitted,
    "IncompleteSignatureException": NotPermitted,
    "InvalidClientTokenId": NotPermitted,
    "InvalidSignatureException": NotPermitted,
    "MissingAuthenticationTokenException": NotPermitted,
    "NotAuthorized": NotPermitted,
    "OptInRequired": NotPermitted,
    "SignatureDoesNotMatch": NotPermitted,
    "UnrecognizedClientException": NotPermitted,
    "InvalidParameterValueException": BadUrl,
    "ValidationException": BadUrl,
}
"""By AWS's code of an error. Any other one is a failure of Lambda's."""

_NOT_STARTED = ("EC2", "EFSMount", "ENI", "KMS", "Resource", "SnapStart", "Subnet")
"""Beginnings of AWS's codes for a function that could not be started, so that nothing was done."""

KILLED = ("Runtime.", "Sandbox.", "Function.")
"""Beginnings of the error types that Lambda reports when the function ended without an answer."""


def http_event(
    method: str, path: str, body: bytes, headers: Mapping[str, str], *, token: str | None
) -> dict[str, Any]:
    """Return the event that the HTTP door makes of a request."""
    sent = {"accept-encoding": "gzip", "content-type": "application/json"}
    if token is not None:
        sent["authorization"] = f"Bearer {token}"
    sent |= {name.lower(): value for name, value in headers.items()}
    url = urlsplit(path)
    try:
        text, packed = body.decode(), False
    except UnicodeDecodeError:
        text, packed = base64.b64encode(body).decode("ascii"), True
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": url.path,
        "rawQueryString": url.query,
        "headers": sent,
        "requestContext": {
            "http": {"method": method, "path": url.path, "protocol": "HTTP/1.1"},
            "requestId": str(uuid4()),
            "stage": "$default",
        },
        "body": text,
        "isBase64Encoded": packed,
    }


def http_answer(answer: Mapping[str, Any]) -> tuple[int, bytes]:
    """Return status and body of an answer of the HTTP door."""
    try:
        content = answer["body"]
        packed = answer["headers"].get("content-encoding") == "gzip"
        content = base64.b64decode(content) if answer["isBase64Encoded"] else content.encode()
        return answer["statusCode"], gzip.decompress(content) if packed else content
    except (KeyError, AttributeError, TypeError, binascii.Error, OSError, EOFError) as error:
        raise UnexpectedAnswer(f"the answer is not an HTTP response: {error!r}") from error


def reply_in(content: bytes) -> dict[str, Any]:
    """Return the function's reply."""
    reply = reply_of(content)
    if "errorType" in reply:  # Lambda's own emulator has no header that says it
        raise function_error(content)
    return reply


def failure(response: Mapping[str, Any]) -> CallFailed:
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(response.get("Error", {}).get("Code", ""))
    message = str(response.get("Error", {}).get("Message") or code)
    kind = _FAILURES.get(code)
    if kind is None:
        kind = {403: NotPermitted, 413: RequestTooLarge, 429: Throttled}.get(status, FunctionDied)
    outcome = {"outcome": NOTHING} if code.startswith(_NOT_STARTED) else {}
    return kind(f"{code}: {message}", status=status, aws_code=code, **outcome)


def function_error(content: bytes) -> Exception:
    """The error that the function ended with: the service's own, or a failure."""
    try:
        said = json.loads(content)
        kind, message = str(said.get("errorType", "")), str(said.get("errorMessage", ""))
    except (ValueError, AttributeError):
        kind, message = "", shown(content)
    error = error_of_text(message)
    if error is not None:
        return error
    if not kind or kind.startswith(KILLED):
        return FunctionDied(f"the function died: {kind} {message}", error_type=kind)
    return FunctionFailed(f"the function raised {kind}: {message}", error_type=kind)
