"""Time and number of calls to AWS, by botocore or without it: what is not the subject's own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import botocore.client

from sqlatch.kernel.aws.dynamodb import DynamoDB
from sqlatch.kernel.aws.service import Service


@dataclass(slots=True)
class Meter:
    """The calls so far and the time in them, signing and parsing included."""

    calls: int = 0
    duration_s: float = 0.0
    is_inside: bool = False


@contextmanager
def metered() -> Iterator[Meter]:
    """Meter every operation of every client, wherever it was made, inside the block."""
    meter = Meter()
    owners: list[tuple[Any, str]] = [
        (botocore.client.BaseClient, "_make_api_call"),
        (DynamoDB, "call"),
        (Service, "send"),
    ]
    originals = [getattr(owner, name) for owner, name in owners]
    for (owner, name), original in zip(owners, originals, strict=True):
        setattr(owner, name, _timed(original, meter))
    try:
        yield meter
    finally:
        for (owner, name), original in zip(owners, originals, strict=True):
            setattr(owner, name, original)


def _timed(call: Callable[..., Any], meter: Meter) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        if meter.is_inside:  # what a call calls
            return call(*arguments, **options)
        meter.is_inside = True
        started = perf_counter()
        try:
            return call(*arguments, **options)
        finally:
            meter.is_inside = False
            meter.duration_s += perf_counter() - started
            meter.calls += 1

    return timed
