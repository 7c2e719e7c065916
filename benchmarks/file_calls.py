"""The calls of one request to the file system, counted twice.

By SQLite's own VFS, and where strace is installed by the kernel: then also what is done beside
SQLite, and what peers do whose SQLite is another.
"""

import shutil
import subprocess
from pathlib import Path

from benchmarks import children, data, service
from benchmarks.repeat import MARK_FILE
from benchmarks.sampling import Tables
from benchmarks.subjects import BARE, EFS, LOCK, LOG, SQLATCH, STOCK, installed
from benchmarks.vfs import counting
from benchmarks.workplace import Workplace

STRACE = "strace"
REQUESTS = 20
KINDS = ("read", "write")
PEERS = (EFS, STOCK, LOCK)
FIRST_SEGMENT = f"{1:016x}.seg"


def by_vfs(work: Workplace) -> Tables:
    """Calls of one warm request to SQLite's VFS."""
    tables: Tables = {f"vfs_{kind}": {} for kind in KINDS}
    for name in installed(BARE, SQLATCH):
        with counting() as counted, work.opened([name]) as subjects:
            subject = subjects[name]
            actions = {"write": subject.write, "read": subject.read}
            for kind, action in actions.items():
                # The first read after a write by another connection fills the cache anew.
                action(data.row_of(1))
                action(data.row_of(2))
                counted.clear()
                action(data.row_of(2))
                tables[f"vfs_{kind}"][name] = [float(counted.total())]
    return tables


def by_strace(work: Workplace) -> Tables:
    """System calls of a warm request on the database, its journal and their directory."""
    tables: Tables = {f"strace_{kind}": {} for kind in KINDS}
    if not _can_trace():
        return tables
    names = installed(BARE, SQLATCH, LOG, *(PEERS if work.counts.traces_peers else ()))
    for name in names:
        for kind, calls in _traced(work, name).items():
            tables[f"strace_{kind}"][name] = calls
    return tables


def _can_trace() -> bool:
    """Return whether strace is there and may trace, which containers often forbid."""
    path = shutil.which(STRACE)
    if path is None:
        return False
    return subprocess.run([path, "-qq", "true"], capture_output=True, check=False).returncode == 0


def _traced(work: Workplace, name: str) -> dict[str, list[float]]:
    """Return the calls that a process makes for each of its reads, and of its writes."""
    directory = work.copy()
    mark = directory / MARK_FILE
    trace = work.directory / "strace.txt"
    only = [
        argument for path in (*_shared(name, directory), mark) for argument in ("-P", str(path))
    ]
    command = (STRACE, "-f", "-qq", "-o", str(trace), *only)
    children.finish(children.start("repeat", name, REQUESTS, directory, before=command))
    counted = _between_marks(trace.read_text().splitlines(), str(mark))
    return {"read": counted[:REQUESTS], "write": counted[REQUESTS:]}


def _shared(name: str, directory: Path) -> tuple[Path, ...]:
    """Return what all instances share: the private copy of a log's instance is not of that."""
    if name == LOG:
        log = directory / service.LOGS / service.DATABASE / "log"
        return directory / service.LOGS, log.parent, log, log / FIRST_SEGMENT
    database = directory / data.FILE
    return directory, database, Path(f"{database}-journal")


def _between_marks(lines: list[str], mark: str) -> list[float]:
    """Count the calls behind each mark but the last."""
    counts: list[float] = []
    for line in lines:
        if mark in line:
            counts.append(0)
        elif counts and _is_call(line):
            counts[-1] += 1
    return counts[:-1]


def _is_call(line: str) -> bool:
    """Not the second half of a call that another thread interrupted, nor a signal."""
    return "resumed>" not in line and "(" in line
