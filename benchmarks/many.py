"""One to a thousand databases in one directory, read in turn by one process."""

import shutil
from pathlib import Path

from benchmarks import children, service
from benchmarks.round_robin import BARE_OPEN_MAX, name_of
from benchmarks.sampling import Tables
from benchmarks.subjects import BARE, SQLATCH
from benchmarks.workplace import Workplace

OPEN_MAX = BARE_OPEN_MAX
ROUNDS = 3
READS_MIN = 300
MICROSECONDS = 1e6
MEGABYTE = 1e6


def label(name: str, databases: int) -> str:
    """A subject with so many databases."""
    return f"{name}, {databases:,}"


def by_databases(work: Workplace) -> Tables:
    """Microseconds of a read, open files, and megabytes of memory."""
    directory = _directory(work)
    tables: Tables = {"many_read": {}, "many_files": {}, "many_memory": {}}
    for name in (SQLATCH, BARE):
        for databases in work.counts.databases:
            reads = max(READS_MIN, ROUNDS * databases) if work.counts.calls > 1 else databases
            report = children.answer_of("round_robin", name, databases, reads, directory)
            key = label(name, databases)
            tables["many_read"][key] = [
                duration_s * MICROSECONDS for duration_s in report["durations_s"]
            ]
            tables["many_files"][key] = [float(report["open_files"])]
            tables["many_memory"][key] = [report["resident_bytes"] / MEGABYTE]
    shutil.rmtree(directory)
    return tables


def _directory(work: Workplace) -> Path:
    """Copies of one database that the service has written, with their journals."""
    source = work.copy()
    subject = service.open_subject(source)
    subject.write(0)
    subject.close()
    directory = work.place()
    directory.mkdir()
    for number in range(max(work.counts.databases)):
        for suffix in (".db", ".db-journal"):
            shutil.copy(source / f"main{suffix}", directory / f"{name_of(number)}{suffix}")
    return directory
