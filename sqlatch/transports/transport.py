"""The interface of a transport, and what the two transports share."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from sqlatch.errors import error_of
from sqlatch.failures import AnswerCutOff, RequestTooLarge, UnexpectedAnswer

SHOWN_CHARACTERS_MAX = 200
"""The part of an answer that an error shows, if it is not one of the service."""


class Sized(Protocol):
    """The limit on the size of requests."""

    def size_bytes(self, encoded: bytes) -> int:
        """Return the bytes of `request_bytes_max` that an encoded part of an event uses."""

    @property
    def request_bytes_max(self) -> int: ...


class Transport(Sized, Protocol):
    """A way to one service. An error is the service's own, or a CallFailed."""

    def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The reply to an event as the direct door takes it."""

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        """Status and body of the HTTP door's answer, whatever it is."""

    def close(self) -> None: ...


def encoded(part: Any) -> bytes:
    """An event, or a part of one, as it is sent."""
    return json.dumps(part, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def check_size(transport: Sized, body: bytes) -> None:
    """RequestTooLarge, before it is sent, if a door would not take it."""
    size_bytes = transport.size_bytes(body)
    if size_bytes > transport.request_bytes_max:
        raise RequestTooLarge(
            f"the request has {size_bytes:,} bytes as it travels, the limit is"
            f" {transport.request_bytes_max:,}: send it in several requests",
            bytes=size_bytes,
            bytes_max=transport.request_bytes_max,
        )


def reply_of(content: bytes) -> dict[str, Any]:
    """Return the object in an answer; UnexpectedAnswer if it has none.

    A cut in the wrong place looks whole to HTTP: in the head, or in what is packed. Nothing but the
    service begins an object.
    """
    try:
        reply = json.loads(content)
    except ValueError as error:
        if not content or content.startswith(b"{"):
            raise AnswerCutOff(f"the answer was cut off: {shown(content)}") from error
        raise UnexpectedAnswer(f"the answer is not JSON: {shown(content)}") from error
    if not isinstance(reply, dict):
        raise UnexpectedAnswer(f"the answer is not a JSON object: {shown(content)}")
    return reply


def refuse(body: Mapping[str, Any]) -> None:
    """Raise the service's error that a body tells of, if it does."""
    if isinstance(body.get("error"), dict):
        error = error_of(body["error"])
        if error is not None:
            raise error


def shown(content: bytes) -> str:
    """The beginning of an answer, for a message."""
    return repr(content[:SHOWN_CHARACTERS_MAX].decode(errors="replace"))
