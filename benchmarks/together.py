"""Eight processes that write to one database: how much gets through, to whom, and what is lost."""

import json
from pathlib import Path
from typing import Any

from benchmarks import children, cloud, files, service
from benchmarks.sampling import Tables, percentile, rotated
from benchmarks.subjects import (
    BARE,
    BETWEEN_CALLS,
    EFS,
    LOCK,
    LOG,
    SQLATCH,
    TABLE,
    installed,
    open_subject,
)
from benchmarks.workplace import Workplace

MILLISECONDS = 1e3
IN_A_LOG = (LOG, TABLE)


def at_once(work: Workplace) -> Tables:
    """With a DynamoDB server that answers as soon as it can."""
    return _tables(work, "together")


def with_latency(work: Workplace) -> Tables:
    """With one that answers in 4 ms more."""
    with cloud.far_away():
        return _tables(work, "together_4ms")


def _tables(work: Workplace, prefix: str) -> Tables:
    names = installed(BARE, BETWEEN_CALLS, SQLATCH, LOG, TABLE, EFS, LOCK)
    tables: Tables = {
        f"{prefix}_{figure}": {name: [] for name in names}
        for figure in ("rate", "refused", "lost", "worst")
    }
    for number in range(work.counts.together_rounds):
        for name in rotated(names, number):
            for figure, value in _write_together(work, name).items():
                tables[f"{prefix}_{figure}"][name].append(value)
    return tables


def _write_together(work: Workplace, name: str) -> dict[str, float]:
    processes = work.counts.processes
    directory = work.copy()
    if name in IN_A_LOG:
        open_subject(name, directory).close()  # made now, so that all of them find it
    reports = _reports(name, work, directory)
    acknowledged = sum(len(report["durations_s"]) for report in reports)
    started_s = min(report["started_s"] for report in reports)
    ended_s = max(report["ended_s"] for report in reports)
    worst_s = max(percentile(report["durations_s"] or [0.0]) for report in reports)
    return {
        "rate": acknowledged / (ended_s - started_s),
        "refused": float(sum(report["refused"] for report in reports)),
        "lost": float(acknowledged + processes - _written(name, directory)),
        "worst": worst_s * MILLISECONDS,
    }


def _written(name: str, directory: Path) -> int:
    if name not in IN_A_LOG:
        return files.written(directory)
    service.forget_copies(directory)
    return service.written_in_log(directory, name)


def _reports(name: str, work: Workplace, directory: Path) -> list[dict[str, Any]]:
    writers = [
        children.start("writer", name, work.counts.together_writes, number, directory)
        for number in range(work.counts.processes)
    ]
    for writer in writers:
        children.line_of(writer)
    for writer in writers:
        children.say(writer, "go")
    return [json.loads(children.finish(writer)) for writer in writers]
