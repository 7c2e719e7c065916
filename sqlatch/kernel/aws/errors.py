"""The ways in which a call to AWS can fail: each class says what is known of the outcome.

AwsError
  NotConfigured       no region or no credentials: nothing was sent
  Refused             AWS refused the call: it has not happened, and will not if it is sent again
    ConditionFailed   the condition does not hold; with the item that stands there
    NotFound          there is no such object
  Throttled           too many calls: it has not happened, and may be sent again, less often
  Unavailable         it may be sent again
    NotConnected      there is no connection: nothing was sent
    ServerFailed      AWS failed within itself, or refused the second of two: it may have happened
    TimedOut          no whole answer in time: it may have happened
    CutOff            the connection ended before a whole answer: it may have happened
    Garbled           the answer is not one of AWS's, or was damaged: it may have happened
"""

from typing import Any


class AwsError(Exception):
    """A call without its answer."""


class NotConfigured(AwsError):
    """The environment names no region or no credentials. Nothing was sent."""


class Refused(AwsError):
    """AWS refused the call. `code` is AWS's own, `status` that of HTTP."""

    def __init__(self, code: str, message: str, *, status: int) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.status = status


class ConditionFailed(Refused):
    """The condition does not hold. `item` stands there, if the call asked for it and there is one.

    An item that bears the caller's own id says that the call has happened before: see
    `Connection.ask` for when a call is sent twice.
    """

    def __init__(
        self, code: str, message: str, *, status: int, item: dict[str, Any] | None = None
    ) -> None:
        super().__init__(code, message, status=status)
        self.item = item


class NotFound(Refused):
    """There is no object under that key."""


class Throttled(AwsError):
    """AWS is asked more often than it answers. The call has not happened. `code` is AWS's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class Unavailable(AwsError):
    """There is no answer, or not now. But for NotConnected, the call may have happened."""


class NotConnected(Unavailable):
    """There is no connection. Nothing was sent."""


class ServerFailed(Unavailable):
    """AWS failed within itself, or refused the second of two requests, which says nothing of the
    first. `code` is AWS's own, or the status of HTTP."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code


class TimedOut(Unavailable):
    """The whole answer did not come in time."""


class CutOff(Unavailable):
    """The connection ended before the whole answer had come."""


class Garbled(Unavailable):
    """The answer is not one of AWS's, or does not match its checksum."""
