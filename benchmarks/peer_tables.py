"""The table of the ways to keep a database in S3: its columns, its goals, and what it says."""

from benchmarks import moto_cloud, peers
from benchmarks.experiment import Table
from benchmarks.goals import Goal
from benchmarks.subjects import TABLE

FLAT = 1.3
SIZES_MB = (1, 100, 1_000)
TITLE = "A database in S3, by four ways to keep it there"
NOTE = (
    "An instance that begins with nothing writes 1,000 rows one by one, another one reads 1,000:"
    " it does 30, or 2 where each moves 100 MB or more, and what follows the first is multiplied."
    f" `{TABLE}` fetches each part of the database once, so all its reads are done, and at 1,000 MB"
    " 200 of them, whose multiple is more than 1,000 would be. moto"
    f" plays both services, and answers as late as AWS: {moto_cloud.DYNAMODB_S * 1e3:g} ms for"
    f" DynamoDB, {moto_cloud.S3_S * 1e3:g} ms for S3 and {moto_cloud.S3_BYTES_A_S / 1e6:g} MB/s."
    " Bytes are those of bodies, both ways. Dollars are those of us-east-1 in November 2026"
    " ([prices](../benchmarks/prices.py)): units and calls, and 512 MB of Lambda for the time."
    f" `{TABLE}` also pays the reaper's deletion of each record. `{peers.WHOLE_FILE}` is the way of"
    " AWSServerlessDB, written for this run with fewer calls than it makes, and nobody else writes:"
    " else each write fetches the file first. Litestream is beside one server, which is not in the"
    " dollars, and each write waits until it is stored; a reader elsewhere restores the database"
    " and reads it as it was then. It is not measured at 1,000 MB, since moto takes minutes for its"
    " uploads before the first write: a write is one call at any size, a reader fetches all. Nor is"
    " distributed-sqlite, which holds the whole database in memory, as text and more."
)
"""Above all columns."""


def tables_of(kind: str) -> tuple[Table, ...]:
    """The columns of the writes, or of the reads."""
    small = peers.label(TABLE, 1)
    title = f"1,000 one-row {kind}s"
    flat = tuple(
        Goal(peers.label(TABLE, size_mb), max_ratio=FLAT, against=small, is_count=True)
        for size_mb in SIZES_MB[1:]
        if kind == "write"  # a reader fetches more where there is more
    )
    cheaper = tuple(
        Goal(peers.label(TABLE, size_mb), max_ratio=1, is_count=True,
             against=peers.label(peers.WHOLE_FILE, size_mb))
        for size_mb in SIZES_MB
    )  # fmt: skip
    return (
        Table(f"peers_{kind}_time", title, "s", small, note=NOTE if kind == "write" else "",
              part_of=TITLE),
        Table(f"peers_{kind}_calls", title, "calls", small, flat, part_of=TITLE),
        Table(f"peers_{kind}_mb", title, "MB", small, flat, part_of=TITLE),
        Table(f"peers_{kind}_usd", title, "US dollars", small, cheaper, part_of=TITLE),
    )  # fmt: skip
