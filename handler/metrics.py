"""The part of a log line by which CloudWatch knows the metrics in it."""

import os
from functools import cache
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.metrics.provider.cloudwatch_emf.cloudwatch import (
    AmazonCloudWatchEMFProvider,
)

UNITS = dict.fromkeys(("DurationMs", "HydrationMs", "LeaseWaitMs"), MetricUnit.Milliseconds)
"""The others are counts."""


@cache
def directive_of(names: tuple[str, ...]) -> Any:
    """Return the part of a line that names its metrics: the same for each line of a kind."""
    provider = AmazonCloudWatchEMFProvider(
        namespace=name_of("POWERTOOLS_METRICS_NAMESPACE"),
        service=name_of("POWERTOOLS_SERVICE_NAME"),
    )
    for name in names:
        provider.add_metric(name, UNITS.get(name, MetricUnit.Count), 0)
    directive = provider.serialize_metric_set()["_aws"]["CloudWatchMetrics"]
    provider.clear_metrics()
    return directive


def name_of(variable: str) -> str:
    """Return the value of a variable of Powertools', `sqlatch` unless it is set."""
    return os.environ.get(variable, "sqlatch")
