"""Reads and writes by the size of the file: they must not slow down when the database grows."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import perf_counter

from benchmarks import data, files, service
from benchmarks.bare import Bare
from benchmarks.inside_aws import Meter, metered
from benchmarks.sampling import Samples, Tables, interleaved, rotated, scaled
from benchmarks.service import Sqlatch
from benchmarks.subjects import BARE, SQLATCH
from benchmarks.workplace import Workplace

NOTE_CHARACTERS = 1_000
ROWS_A_MB = 732
"""Three rows of some 1,030 bytes to a page of 4,096."""

MICROSECONDS = 1e6
MILLISECONDS = 1e3
Action = Callable[[int], object]


def label(name: str, size_mb: int) -> str:
    """A subject at that size."""
    return f"{name}, {size_mb:,} MB"


def by_size(work: Workplace) -> Tables:
    """Point reads in microseconds; one-row writes in milliseconds, without DynamoDB."""
    directory = work.place()
    directory.mkdir()
    for size_mb in work.counts.sizes_mb:
        files.make(
            directory / f"{_name(size_mb)}.db",
            rows=size_mb * ROWS_A_MB,
            note_characters=NOTE_CHARACTERS,
        )
    tables: Tables = {"size_read": {}, "size_write": {}}
    for measure in (_sqlatch, _bare):
        reads, writes = measure(work, directory)
        tables["size_read"] |= scaled(reads, MICROSECONDS)
        tables["size_write"] |= scaled(writes, MILLISECONDS)
    for path in directory.iterdir():
        path.unlink()
    return tables


def _sqlatch(work: Workplace, directory: Path) -> tuple[Samples, Samples]:
    subject = service.open_subject(directory)
    reads: dict[str, Action] = {}
    writes: dict[str, Action] = {}
    for size_mb in work.counts.sizes_mb:
        name = label(SQLATCH, size_mb)
        reads[name] = partial(_sqlatch_read, subject, size_mb)
        writes[name] = partial(_sqlatch_write, subject, size_mb)
    try:
        return _measured(work, reads, writes)
    finally:
        subject.close()


def _bare(work: Workplace, directory: Path) -> tuple[Samples, Samples]:
    reads: dict[str, Action] = {}
    writes: dict[str, Action] = {}
    floors = []
    for size_mb in work.counts.sizes_mb:
        floor = Bare(directory / f"{_name(size_mb)}.db")
        floors.append(floor)
        reads[label(BARE, size_mb)] = partial(_bare_read, floor, size_mb)
        writes[label(BARE, size_mb)] = floor.write
    try:
        return _measured(work, reads, writes)
    finally:
        for floor in floors:
            floor.close()


def _measured(
    work: Workplace, reads: dict[str, Action], writes: dict[str, Action]
) -> tuple[Samples, Samples]:
    for write in writes.values():
        write(0)
    read = interleaved(reads, rounds=work.counts.read_rounds, calls=work.counts.calls)
    return read, _own_times(work, writes)


def _own_times(work: Workplace, writes: dict[str, Action]) -> Samples:
    samples: Samples = {name: [] for name in writes}
    with metered() as meter:
        for number in range(2 * work.counts.write_rounds):
            for name in rotated(list(writes), number):
                samples[name].append(_own_time_s(writes[name], number, meter))
    return samples


def _own_time_s(write: Action, number: int, meter: Meter) -> float:
    before_s = meter.duration_s
    started = perf_counter()
    write(number)
    return perf_counter() - started - (meter.duration_s - before_s)


def _sqlatch_read(subject: Sqlatch, size_mb: int, turn: int) -> None:
    number = data.row_of(turn, size_mb * ROWS_A_MB)
    subject.send(query=data.READ, parameters=[number], database=_name(size_mb))


def _sqlatch_write(subject: Sqlatch, size_mb: int, number: int) -> None:
    values = list(data.values_of(number))
    subject.send(query=data.WRITE, parameters=values, database=_name(size_mb))


def _bare_read(floor: Bare, size_mb: int, turn: int) -> None:
    floor.read(data.row_of(turn, size_mb * ROWS_A_MB))


def _name(size_mb: int) -> str:
    return f"mb-{size_mb}"
