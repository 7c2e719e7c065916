"""Time and number of calls that botocore makes: what is not the subject's own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import botocore.client


@dataclass(slots=True)
class Meter:
    """The calls to botocore so far and the time in them, signing and parsing included."""

    calls: int = 0
    duration_s: float = 0.0


@contextmanager
def metered() -> Iterator[Meter]:
    """Meter every operation of every client, wherever it was made, inside the block."""
    meter = Meter()
    client: Any = botocore.client.BaseClient
    original = client._make_api_call

    def timed(self: Any, operation: str, parameters: Any) -> Any:
        started = perf_counter()
        try:
            return original(self, operation, parameters)
        finally:
            meter.duration_s += perf_counter() - started
            meter.calls += 1

    client._make_api_call = timed
    try:
        yield meter
    finally:
        client._make_api_call = original
