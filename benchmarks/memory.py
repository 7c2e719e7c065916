"""Memory of an instance: warm, and at the largest reply that is allowed."""

from pathlib import Path

from benchmarks import children, data, files, service
from benchmarks.sampling import Tables
from benchmarks.subjects import BARE, EFS, LOCK, LOG, SQLATCH, STOCK, installed
from benchmarks.workplace import Workplace

DOORS = {"arrays": "sqlatch, arrays", "objects": "sqlatch, objects", "http": "sqlatch, HTTP"}
SHRINK = 0.96
"""The largest reply that is allowed is looked for in steps of 4 % of the rows."""

MEGABYTE = 1e6


def memory(work: Workplace) -> Tables:
    """Megabytes of a warm instance; the peak of a large reply, times its bytes."""
    tables: Tables = {"memory_warm": {}, "memory_peak": {}, "memory_reply": {}}
    for name in installed(BARE, SQLATCH, LOG, EFS, STOCK, LOCK):
        report = children.answer_of("footprint", "warm", name, work.copy())
        tables["memory_warm"][name] = [report["resident_bytes"] / MEGABYTE]
    directory = _directory(work)
    for door, subject in DOORS.items():
        report = _largest(door, work.counts.reply_rows, directory)
        tables["memory_peak"][subject] = [report["peak_bytes"] / report["reply_bytes"]]
        tables["memory_reply"][subject] = [report["reply_bytes"] / MEGABYTE]
    return tables


def _largest(door: str, rows: int, directory: Path) -> dict[str, int]:
    """Return what the largest reply needed that was not refused."""
    while True:
        report: dict[str, int] = children.answer_of("footprint", "peak", door, rows, directory)
        if report["reply_bytes"]:
            return report
        rows = int(rows * SHRINK)


def _directory(work: Workplace) -> Path:
    """A database of rows of which 100,000 are some 5.5 MB of JSON, written by the service once."""
    directory = work.place()
    directory.mkdir()
    files.make(directory / data.FILE, rows=work.counts.reply_rows)
    subject = service.open_subject(directory)
    subject.write(0)
    subject.close()
    return directory
