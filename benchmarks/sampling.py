"""Taking samples: subjects in turn, each call timed, so that a noisy moment falls on them all."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median, quantiles
from time import perf_counter

Samples = dict[str, list[float]]
"""The measurements of each subject."""

Tables = dict[str, Samples]
"""The samples of each table that an experiment fills."""

PERCENTILE = 99


def interleaved(
    actions: Mapping[str, Callable[[int], object]], *, rounds: int, calls: int, warm_up: int = 20
) -> Samples:
    """Seconds of each call: in each round every subject, from another one each time, does some."""
    names = list(actions)
    for name in names:
        for turn in range(warm_up):
            actions[name](turn)
    samples: Samples = {name: [] for name in names}
    turn = warm_up
    for number in range(rounds):
        for name in rotated(names, number):
            action, taken = actions[name], samples[name]
            for offset in range(calls):
                started = perf_counter()
                action(turn + offset)
                taken.append(perf_counter() - started)
        turn += calls
    return samples


def rotated(names: Sequence[str], number: int) -> list[str]:
    """The names, from another one in each round."""
    start = number % len(names) if names else 0
    return [*names[start:], *names[:start]]


def joined(first: Tables, second: Tables) -> Tables:
    """The samples of two runs of one experiment."""
    return {
        key: {name: [*first.get(key, {}).get(name, []), *values] for name, values in table.items()}
        for key, table in second.items()
    }


def scaled(samples: Samples, factor: float) -> Samples:
    """The samples in another unit."""
    return {name: [value * factor for value in values] for name, values in samples.items()}


def middle(values: Sequence[float]) -> float:
    return median(values)


def percentile(values: Sequence[float]) -> float:
    """The 99th percentile; the largest where there are few."""
    if len(values) < PERCENTILE + 1:
        return max(values)
    return quantiles(values, n=100, method="inclusive")[PERCENTILE - 1]
