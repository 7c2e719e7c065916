"""Databases whose truth is a log or objects, and what runs statements only a copy or a cache."""

import os
from pathlib import Path
from unittest import mock

from benchmarks import children, service
from benchmarks.sampling import Tables, rotated, scaled
from benchmarks.subjects import DISTRIBUTED, LITESTREAM, LOG, installed
from benchmarks.workplace import Workplace
from tests import dynamodb_server

MICROSECONDS = 1e6
MILLISECONDS = 1e3
READ_ONLY = (LITESTREAM,)


def one_by_one(work: Workplace) -> Tables:
    """Microseconds of a read, milliseconds of a write, calls to AWS of each."""
    names = installed(LOG, LITESTREAM, DISTRIBUTED)
    tables: Tables = {
        f"elsewhere_{figure}": {} for figure in ("read", "write", "read_calls", "write_calls")
    }
    with dynamodb_server.running() as objects_url:
        for number in range(work.counts.alone_rounds):
            for name in rotated(names, number):
                _measure(work, name, objects_url, tables)
    return {
        **tables,
        "elsewhere_read": scaled(tables["elsewhere_read"], MICROSECONDS),
        "elsewhere_write": scaled(tables["elsewhere_write"], MILLISECONDS),
    }


def _measure(work: Workplace, name: str, objects_url: str, tables: Tables) -> None:
    directory = work.copy()
    reads = work.counts.calls
    writes = 0 if name in READ_ONLY else max(1, work.counts.calls // 4)
    environment = _environment(name, directory, objects_url)
    report = children.answer_of("alone", name, reads, writes, directory, environment=environment)
    for kind in ("read", "write"):
        if report[kind]["durations_s"]:
            taken = tables[f"elsewhere_{kind}"].setdefault(name, [])
            taken += report[kind]["durations_s"]
            tables[f"elsewhere_{kind}_calls"].setdefault(name, []).append(report[kind]["calls"])


def _environment(name: str, directory: Path, objects_url: str) -> dict[str, str]:
    if name == LITESTREAM:
        from benchmarks import litestream

        service.open_log(directory).close()
        return {litestream.VARIABLE: litestream.url_of(directory)}
    if name == DISTRIBUTED:
        from benchmarks import distributed

        with mock.patch.dict(os.environ, AWS_ENDPOINT_URL=objects_url):
            distributed.store(directory)
        cache = directory / "cache"
        return {"AWS_ENDPOINT_URL": objects_url, distributed.CACHE_VARIABLE: str(cache)}
    return {}
