"""A fresh process to its first answer, as at a cold start: from the start of Python on."""

from pathlib import Path
from time import perf_counter

from benchmarks import children, service
from benchmarks.sampling import Tables, rotated
from benchmarks.subjects import (
    BARE,
    EFS,
    LOCK,
    LOG,
    SQLATCH,
    STOCK,
    TABLE,
    installed,
    open_subject,
)
from benchmarks.workplace import Workplace, check

MILLISECONDS = 1e3
KINDS = ("read", "write")


def first_answers(work: Workplace) -> Tables:
    """Milliseconds of time and of processor time to the first answer of a read, and of a write."""
    names = installed(BARE, SQLATCH, LOG, TABLE, EFS, STOCK, LOCK)
    tables: Tables = {
        f"fresh_{kind}{unit}": {name: [] for name in names}
        for kind in KINDS
        for unit in ("", "_cpu")
    }
    directories = {name: _used(name, work) for name in names}
    if work.counts.fresh_rounds > 1:  # one round shows that it works, and measures nothing
        for name in names:
            for kind in KINDS:
                _first_answer(name, kind, directories[name])  # compiles what it imports
    for number in range(work.counts.fresh_rounds):
        for kind in KINDS:
            for name in rotated(names, number):
                duration_s, processor_s = _first_answer(name, kind, directories[name])
                tables[f"fresh_{kind}"][name].append(duration_s * MILLISECONDS)
                tables[f"fresh_{kind}_cpu"][name].append(processor_s * MILLISECONDS)
    return tables


def _used(name: str, work: Workplace) -> Path:
    """A database that this subject has written before, as a cold start finds it."""
    directory = work.copy()
    subject = open_subject(name, directory)
    subject.write(0)
    subject.close()
    return directory


def _first_answer(name: str, kind: str, directory: Path) -> tuple[float, float]:
    service.forget_copies(directory)  # on Lambda a new instance has none
    environment = {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(directory.parent)}
    started = perf_counter()
    process = children.start("first_answer", name, kind, directory, environment=environment)
    line = children.line_of(process)
    duration_s = perf_counter() - started
    children.finish(process)
    processor_s, answer = line.split()
    if kind == "read":
        check(name, answer, 1)
    return duration_s, float(processor_s)
