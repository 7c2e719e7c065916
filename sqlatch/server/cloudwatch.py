"""The counts of a function, which CloudWatch keeps: for the console's view Watch.

They are the metrics in the function's own log lines, for all doors and instances together: the
stack's dashboard shows the same.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlatch.failures import CallFailed, NotPermitted, Unreachable
from sqlatch.transports import invocation

HOUR_S = 3_600
HOURS = 3
"""Whole hours of the clock, of which the newest one is not over yet."""

KEPT_S = 60.0
"""An answer is given again for so long: a metric has a value a minute, and each call is paid."""

NAMESPACE, SERVICE = "POWERTOOLS_METRICS_NAMESPACE", "POWERTOOLS_SERVICE_NAME"
NAME = "sqlatch"
"""The value of both where the function's settings have none."""

FAILURES = ("Errors", "LeaseBusy", "Refusals")
PERCENTILES = ("p50", "p95", "p99")
SUMS = ("Requests", *FAILURES, "HotJournalsRecovered")
ASKED = [
    *((name, "Sum") for name in SUMS),
    *((name, part) for name in ("DurationMs", "LeaseWaitMs") for part in PERCENTILES),
    ("LeaseWaitMs", "SampleCount"),
]
"""The metrics, each with a statistic. Each line has one value, so there are percentiles."""

Values = Mapping[tuple[str, str], Mapping[int, float]]
"""Of each metric and statistic the values, by the hour in epoch seconds."""


class CloudWatch:
    """The metrics of one function, asked for with the credentials of this machine.

    `client` makes a client of boto3 for a service of AWS; threads may share this.
    """

    def __init__(
        self,
        client: Callable[[str], Any],
        function: str,
        qualifier: str | None,
        *,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._client = cache(client)
        self._now = now
        self._function: dict[str, str] = {"FunctionName": function}
        if qualifier is not None:
            self._function["Qualifier"] = qualifier
        self._asking = threading.Lock()
        self._names: tuple[str, str] | None = None
        self._kept: tuple[float, dict[str, Any]] = (-KEPT_S, {})

    def counts(self) -> dict[str, Any]:
        """Return the hours, the newest first; or with `problem` why they are not known."""
        with self._asking:
            asked_s, counts = self._kept
            if not asked_s <= self._now() < asked_s + KEPT_S:
                try:
                    counts = self._asked()
                except CallFailed as failure:
                    return {"problem": failure.message}
                self._kept = (self._now(), counts)
            return counts

    def _asked(self) -> dict[str, Any]:
        if self._names is None:
            self._names = self._read_names()
        namespace, service = self._names
        newest = int(self._now()) // HOUR_S * HOUR_S
        hours = [newest - HOUR_S * number for number in range(HOURS)]
        values = self._values(namespace, service, hours[-1])
        return {
            "namespace": namespace,
            "service": service,
            "hours": [_hour(values, hour) for hour in hours],
        }

    def _read_names(self) -> tuple[str, str]:
        """Return the namespace of the function's metrics, and the value of their one dimension."""
        with _translated("lambda:GetFunctionConfiguration"):
            found = self._client("lambda").get_function_configuration(**self._function)
        environment = found.get("Environment", {})
        if "Error" in environment:
            raise NotPermitted(
                "AWS does not show the settings of the function, which name its metrics:"
                f" {environment['Error'].get('Message')}"
            )
        settings = environment.get("Variables", {})
        return settings.get(NAMESPACE) or NAME, settings.get(SERVICE) or NAME

    def _values(self, namespace: str, service: str, since_s: int) -> Values:
        metric = {
            "Namespace": namespace,
            "Dimensions": [{"Name": "service", "Value": service}],
        }
        queries = [
            {
                "Id": f"m{place}",
                "MetricStat": {
                    "Metric": {**metric, "MetricName": name},
                    "Period": HOUR_S,
                    "Stat": statistic,
                },
            }
            for place, (name, statistic) in enumerate(ASKED)
        ]
        with _translated("cloudwatch:GetMetricData"):
            answer = self._client("cloudwatch").get_metric_data(
                MetricDataQueries=queries,
                StartTime=datetime.fromtimestamp(since_s, UTC),
                EndTime=datetime.fromtimestamp(self._now(), UTC),
            )
        return {
            ASKED[int(result["Id"][1:])]: {
                int(at.timestamp()): value
                for at, value in zip(result["Timestamps"], result["Values"], strict=True)
            }
            for result in answer["MetricDataResults"]
        }


def _hour(values: Values, at_s: int) -> dict[str, Any]:
    """Return the counts of one hour, named as those of a local server are."""

    def value(name: str, statistic: str = "Sum") -> int:
        return int(values.get((name, statistic), {}).get(at_s, 0))

    def percentiles(name: str) -> dict[str, float | None]:
        return {part: values.get((name, part), {}).get(at_s) for part in PERCENTILES}

    codes = {name: value(name) for name in FAILURES if value(name)}
    return {
        "at": at_s,
        "requests": value("Requests"),
        "errors": sum(codes.values()),
        "codes": codes,
        "duration_ms": percentiles("DurationMs"),
        "leases": {
            "taken": value("LeaseWaitMs", "SampleCount"),
            "wait_ms": percentiles("LeaseWaitMs"),
            "recoveries": value("HotJournalsRecovered"),
        },
    }


@contextmanager
def _translated(action: str) -> Iterator[None]:
    """boto3's errors as ours; a refusal names the action that the caller may not do."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        failure = invocation.failure(error.response)
        if isinstance(failure, NotPermitted):
            raise NotPermitted(
                f"AWS refuses {action} to the credentials of this machine; their policy has to"
                f" allow it. {failure.message}"
            ) from error
        raise failure from error
    except exceptions.BotoCoreError as error:
        raise Unreachable(f"no answer to {action}: {error}") from error
