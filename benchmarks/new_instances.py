"""New instances, which have no copy of a database in a log yet: the first row, by its size."""

import shutil
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks import children, data, files, service
from benchmarks.newcomer import KNOWN
from benchmarks.sampling import Tables
from benchmarks.sizes import NOTE_CHARACTERS, ROWS_A_MB, label
from benchmarks.subjects import LOG
from benchmarks.workplace import Workplace
from storage.log.ltx import decode, encode, offset_of

SMALL_MB, LARGE_MB, SPARSE_MB = 20, 1_000, 10_000
"""The smallest is fetched page by page too, and larger than what SQLite keeps of a database."""

SMALL, LARGE = label(LOG, SMALL_MB), label(LOG, LARGE_MB)
SPARSE = f"{label(LOG, SPARSE_MB)}, sparse"
PAGES = slice(28, 32)
"""The place of the database's size in its header, big-endian."""

BLOCK_PAGES = 64
"""The snapshot has these whole, since an instance fetches them whole."""

MILLISECONDS = 1e3
MEGABYTE = 1e6


def first_rows(work: Workplace) -> Tables:
    """Milliseconds to the first row, megabytes read for it, megabytes of memory."""
    logs = work.place()
    logs.mkdir()
    sizes = {label(LOG, size_mb): size_mb for size_mb in work.counts.log_sizes_mb}
    databases = {name: (f"mb-{size_mb}", size_mb * ROWS_A_MB) for name, size_mb in sizes.items()}
    databases[SPARSE] = ("sparse", ROWS_A_MB)
    for database, rows in ((KNOWN, ROWS_A_MB), *databases.values()):
        _add(work, logs, database, rows)
    _enlarge(next((logs / "sparse" / "ltx" / "9").iterdir()), SPARSE_MB)
    tables: Tables = {"new_row": {}, "new_bytes": {}, "new_memory": {}}
    for name, (database, rows) in databases.items():
        reports = [
            _report(work, logs, database, rows // 2, "one")
            for _round in range(work.counts.new_rounds)
        ]
        tables["new_row"][name] = [each["duration_s"] * MILLISECONDS for each in reports]
        tables["new_bytes"][name] = [each["bytes_read"] / MEGABYTE for each in reports]
        tables["new_memory"][name] = [each["resident_bytes"] / MEGABYTE for each in reports]
    for name in sizes:
        database, rows = databases[name]
        report = _report(work, logs, database, rows // 2, "all")
        tables["new_memory"][all_rows(name)] = [report["resident_bytes"] / MEGABYTE]
    shutil.rmtree(logs)
    return tables


def all_rows(name: str) -> str:
    """The subject that has read every row."""
    return f"{name}, every row"


def _add(work: Workplace, logs: Path, database: str, rows: int) -> None:
    place = work.place()
    place.mkdir()
    files.make(place / data.FILE, rows=rows, note_characters=NOTE_CHARACTERS)
    subject = service.on_logs(logs, place)
    subject.service.databases.add(database, place / data.FILE)
    subject.close()
    shutil.rmtree(place)


def _enlarge(snapshot: Path, size_mb: int) -> None:
    """Make the snapshot one of so many megabytes, of which the rest is a hole.

    It is as long as a whole one: whoever reads more than the pages that are asked for finds out.
    """
    header, pages = decode(snapshot.read_bytes())
    size = size_mb * 1_000_000 // header.page_size
    pages[1] = pages[1][: PAGES.start] + size.to_bytes(4, "big") + pages[1][PAGES.stop :]
    there = len(pages) + -len(pages) % BLOCK_PAGES
    empty = bytes(header.page_size)
    all_pages = ((number, pages.get(number, empty)) for number in range(1, size + 1))
    pieces = encode(replace(header, pages=size), all_pages, literal=True)
    with snapshot.open("r+b") as file:
        file.writelines(islice(pieces, 1 + there))
        file.truncate(offset_of(size + 1, header.page_size))


def _report(work: Workplace, logs: Path, database: str, row: int, rows: str) -> dict[str, Any]:
    copies = work.place()
    copies.mkdir()
    report: dict[str, Any] = children.answer_of("newcomer", database, row, rows, logs, copies)
    shutil.rmtree(copies)
    return report
