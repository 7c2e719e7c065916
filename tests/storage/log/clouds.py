"""A table and a bucket for tests, in a server that may lose what is asked, or what it answers."""

from collections import Counter
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sqlatch.kernel.aws.dynamodb import DynamoDB
from sqlatch.kernel.aws.errors import Refused, ServerFailed, Throttled, TimedOut
from storage.log.objects import Objects
from storage.log.table import Table
from tests.dynamodb_server import CREDENTIALS, create_log

if TYPE_CHECKING:
    from collections.abc import Callable


class Faulty:
    """The calls of a table, counted. `faults` are those of the next ones, by operation.

    "request" is lost, "answer" is lost, the request lands "late" (when `land` is called), is
    "refused", "throttled", or answered with a failure of the "server".
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: dict[str, list[str]] = {}
        self.before: dict[str, list[Callable[[], object]]] = {}
        """What happens before the next calls get to the table, by operation."""
        self._call = DynamoDB().call
        self._late: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, operation: str, request: dict[str, Any]) -> dict[str, Any]:
        self.counts[operation] += 1
        faults = self.faults.get(operation, [])
        fault = faults.pop(0) if faults else ""
        if self.before.get(operation):
            self.before[operation].pop(0)()
        if fault == "late":
            self._late.append((operation, request))
        if fault in {"late", "request"}:
            raise TimedOut(f"the {fault} one")
        if fault == "refused":
            raise Refused("AccessDeniedException", "not allowed", status=400)
        if fault == "throttled":
            raise Throttled("ProvisionedThroughputExceededException", "rate exceeded")
        if fault == "server":
            raise ServerFailed("503", "")
        answer = self._call(operation, request)
        if fault == "answer":
            raise TimedOut("the answer was lost")
        return answer

    def land(self) -> None:
        late, self._late = self._late, []
        for operation, request in late:
            self._call(operation, request)


class Cloud:
    """One table and one bucket."""

    def __init__(self, name: str) -> None:
        self.calls = Faulty()
        self.table = Table(name, self.calls)
        self.objects = Objects(name, "logs/")


def cloud_at(url: str, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    """Return a new table and bucket of a server, which this process then asks."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    name = f"log-{uuid4()}"
    create_log(url, name)
    return Cloud(name)
