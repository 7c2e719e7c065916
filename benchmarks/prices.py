"""Prices of AWS: us-east-1, on demand, in November 2026, without free tiers, in US dollars.

docs/without-a-vpc.md and docs/runbook.md count with the same. Traffic between Lambda and S3 or
DynamoDB of one region costs nothing.
"""

from collections.abc import Mapping

MILLION = 1e6
WRITE_UNIT = 0.625 / MILLION
"""A write to DynamoDB of up to 1 KB, refused or not."""
READ_UNIT = 0.125 / MILLION
"""A consistent read of up to 4 KB."""
S3_WRITE = 5.00 / MILLION
"""PUT, POST, COPY and LIST."""
S3_READ = 0.40 / MILLION
"""GET, HEAD and the others; DELETE is free."""
LAMBDA_GB_S = 0.0000133334
"""A second of Lambda with 1 GB, on arm64."""
LAMBDA_GB = 0.5

Bill = Mapping[str, float]
"""Counts by name: `write_units`, `read_units`, `s3_writes`, `s3_reads`."""


def of_calls(bill: Bill) -> float:
    """The dollars of calls to DynamoDB and S3."""
    return (
        bill["write_units"] * WRITE_UNIT
        + bill["read_units"] * READ_UNIT
        + bill["s3_writes"] * S3_WRITE
        + bill["s3_reads"] * S3_READ
    )


def of_lambda(duration_s: float) -> float:
    """The dollars of a function of LAMBDA_GB that runs so long."""
    return duration_s * LAMBDA_GB * LAMBDA_GB_S
