"""1,000 writes and 1,000 reads of a database in S3, by ways to keep it there: time, calls, money.

An instance begins with nothing, does a few, and the rest is counted from those: the first, which
fetches what an instance needs, once, and the others as often as there are more.
"""

import os
import shutil
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks import children, data, files, moto_cloud, prices
from benchmarks.sampling import Tables
from benchmarks.subjects import TABLE
from benchmarks.workplace import Workplace

OPERATIONS = 1_000
KINDS = ("write", "read")
FIGURES = ("time", "calls", "mb", "usd")
ROWS_A_MB = 732
"""Three rows of some 1,030 bytes to a page of 4,096."""
NOTE_BYTES = 500
MEGABYTE = 1e6
LARGE_MB = 1_000
"""From here on a reader of parts does fewer reads too: each fetches more than the later ones do."""

WHOLE_FILE = "whole file under a lock"
SEGMENTS = "distributed-sqlite"
CACHE_OF_SEGMENTS = "DISTRIBUTED_SQLITE_CACHE_DIR"
LITESTREAM = "Litestream"


@dataclass(frozen=True, slots=True)
class Peer:
    """A way: the module that opens it and stores a file in it, and how much it is asked.

    `slow_mb` is the size from which few operations have to do, and `mb_max` the largest size. Of
    one that fetches parts all reads are done: what it has is not fetched again. Records of a log
    are deleted later, which is paid as their writes are.
    """

    module: str
    needs: str = "boto3"
    opener: str = "open_subject"
    reader: str = "open_subject"
    slow_mb: int = 10_000
    mb_max: int = 10_000
    is_server: bool = False
    fetches_parts: bool = False
    are_deleted: bool = False


SUBJECTS = {
    TABLE: Peer("benchmarks.table_peer", fetches_parts=True, are_deleted=True),
    WHOLE_FILE: Peer("benchmarks.whole_file", slow_mb=100),
    SEGMENTS: Peer("benchmarks.distributed", "distributed_sqlite", slow_mb=100, mb_max=100),
    LITESTREAM: Peer(
        "benchmarks.litestream_server", reader="open_restored", mb_max=100, is_server=True
    ),
}


def label(name: str, size_mb: int) -> str:
    """A way at that size."""
    return f"{name}, {size_mb:,} MB"


def by_size(work: Workplace) -> Tables:
    """Seconds, calls, megabytes and dollars of 1,000 operations."""
    tables: Tables = {f"peers_{kind}_{figure}": {} for kind in KINDS for figure in FIGURES}
    for size_mb in work.counts.peer_sizes_mb:
        with moto_cloud.running() as url, mock.patch.dict(os.environ, AWS_ENDPOINT_URL=url):
            for name in _installed(size_mb):
                for kind, figures in _measured(work, name, size_mb).items():
                    for figure, value in figures.items():
                        tables[f"peers_{kind}_{figure}"][label(name, size_mb)] = [value]
    return tables


def _installed(size_mb: int) -> list[str]:
    return [
        name for name, peer in SUBJECTS.items() if size_mb <= peer.mb_max and find_spec(peer.needs)
    ]


def _measured(work: Workplace, name: str, size_mb: int) -> dict[str, dict[str, float]]:
    peer, directory, rows = SUBJECTS[name], work.place(), size_mb * ROWS_A_MB
    few, many = work.counts.peer_few, work.counts.peer_operations
    counts = dict.fromkeys(KINDS, few if size_mb >= peer.slow_mb else many)
    if peer.fetches_parts:
        counts["read"] = work.counts.peer_reads_of_parts[size_mb >= LARGE_MB]
    directory.mkdir()
    _make(directory / data.FILE, work, size_mb)
    import_module(peer.module).store(directory)
    reports = {
        kind: children.answer_of(
            "peer", name, kind, counts[kind], rows, directory,
            environment={CACHE_OF_SEGMENTS: str(directory / f"cache-{kind}")},
        )
        for kind in KINDS
    }  # fmt: skip
    shutil.rmtree(directory)
    return {kind: _figures(peer, report, counts[kind]) for kind, report in reports.items()}


def _make(path: Path, work: Workplace, size_mb: int) -> None:
    """Make a file whose notes cannot be compressed by much, once for each size."""
    template = work.directory / f"peers-{size_mb}.db"
    if not template.exists():
        files.make(template, rows=size_mb * ROWS_A_MB, random_bytes=NOTE_BYTES)
    shutil.copy(template, path)


def _figures(peer: Peer, report: dict[str, Any], count: int) -> dict[str, float]:
    """Return the figures of all operations, by those that were done."""
    times = (OPERATIONS - 1) / (count - 1)
    whole = {
        name: value + report["others"][name] * times for name, value in report["first"].items()
    }
    if peer.are_deleted:
        whole["write_units"] *= 2
    dollars = prices.of_calls(whole)
    if not peer.is_server:
        dollars += prices.of_lambda(whole["duration_s"])
    return {
        "time": whole["duration_s"],
        "calls": whole["calls"],
        "mb": whole["bytes"] / MEGABYTE,
        "usd": dollars,
    }
