"""A warm process where each call to AWS takes the time that it takes within one region."""

from functools import partial
from time import perf_counter

from benchmarks import cloud, data
from benchmarks.sampling import Tables, interleaved, rotated, scaled
from benchmarks.subjects import AGED, LOG, SQLATCH, TABLE, Subject, installed
from benchmarks.workplace import Workplace

MILLISECONDS = 1e3
WRITES_A_ROUND = 4


def by_engine(work: Workplace) -> Tables:
    """Milliseconds of a point read and of a one-row write."""
    with cloud.far_away(), work.opened(installed(SQLATCH, LOG, TABLE, AGED)) as subjects:
        reads = interleaved(
            {name: partial(_read, subject) for name, subject in subjects.items()},
            rounds=work.counts.distance_rounds,
            calls=work.counts.calls,
            warm_up=2,
        )
        del subjects[AGED]
        writes: dict[str, list[float]] = {name: [] for name in subjects}
        for number in range(work.counts.distance_rounds):
            for name in rotated(list(subjects), number):
                for turn in range(WRITES_A_ROUND):
                    started = perf_counter()
                    subjects[name].write(turn)
                    writes[name].append(perf_counter() - started)
    return {
        "distance_read": scaled(reads, MILLISECONDS),
        "distance_write": scaled(writes, MILLISECONDS),
    }


def _read(subject: Subject, turn: int) -> str:
    return subject.read(data.row_of(turn))
