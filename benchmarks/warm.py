"""A warm process: one point read, one row written, again and again."""

from collections.abc import Callable
from functools import partial
from time import perf_counter

from benchmarks import data
from benchmarks.inside_aws import Meter, metered
from benchmarks.sampling import Tables, interleaved, rotated, scaled
from benchmarks.subjects import (
    AGED,
    BARE,
    BETWEEN_CALLS,
    EFS,
    EFS_KEPT,
    LOCK,
    LOG,
    SQLATCH,
    STOCK,
    TABLE,
    Subject,
    installed,
)
from benchmarks.workplace import Workplace

MICROSECONDS = 1e6
MILLISECONDS = 1e3
WARM_UP_WRITES = 3


def reads(work: Workplace) -> Tables:
    """Microseconds of a point read."""
    names = installed(BARE, SQLATCH, LOG, EFS, EFS_KEPT, STOCK, LOCK)
    with work.opened(names) as subjects:
        actions = {name: partial(_read, subject) for name, subject in subjects.items()}
        samples = interleaved(actions, rounds=work.counts.read_rounds, calls=work.counts.calls)
    return {"warm_read": scaled(samples, MICROSECONDS)}


def writes(work: Workplace) -> Tables:
    """Milliseconds of a one-row write, with its calls to DynamoDB and without them."""
    names = installed(BARE, BETWEEN_CALLS, SQLATCH, LOG, EFS, STOCK, LOCK)
    whole: dict[str, list[float]] = {name: [] for name in names}
    own: dict[str, list[float]] = {name: [] for name in names}
    with work.opened(names) as subjects, metered() as meter:
        for name in names:
            for turn in range(WARM_UP_WRITES):
                subjects[name].write(turn)
        for number in range(work.counts.write_rounds):
            for name in rotated(names, number):
                for turn in range(max(1, work.counts.calls // 4)):
                    duration_s, inside_s = _write(subjects[name], turn, meter)
                    whole[name].append(duration_s)
                    own[name].append(duration_s - inside_s)
    return {
        "warm_write_own": scaled(own, MILLISECONDS),
        "warm_write": scaled(whole, MILLISECONDS),
    }


def dynamodb_calls(work: Workplace) -> Tables:
    """Calls to DynamoDB of one request."""
    names = installed(SQLATCH, LOG, TABLE, AGED, EFS, LOCK)
    read: dict[str, list[float]] = {}
    write: dict[str, list[float]] = {}
    with work.opened(names) as subjects, metered() as meter:
        for name, subject in subjects.items():
            read[name] = [_calls(meter, partial(_read, subject, 1))]
            write[name] = [_calls(meter, partial(subject.write, 1))]
    return {"dynamodb_read": read, "dynamodb_write": write}


def _read(subject: Subject, turn: int) -> str:
    return subject.read(data.row_of(turn))


def _write(subject: Subject, number: int, meter: Meter) -> tuple[float, float]:
    inside_before_s = meter.duration_s
    started = perf_counter()
    subject.write(number)
    return perf_counter() - started, meter.duration_s - inside_before_s


def _calls(meter: Meter, action: Callable[[], object]) -> float:
    before = meter.calls
    action()
    return float(meter.calls - before)
