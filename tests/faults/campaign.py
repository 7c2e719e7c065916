"""After each crash: recovered through the service, whole, and what was acknowledged is there."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlatch.kernel.errors import SqlatchError
from tests.faults.crashes import (
    Act,
    Situation,
    crashes,
    machine_in,
    state_of,
    undisturbed,
)
from tests.faults.engines import IN_A_LOG, IN_PLACE, Kept
from tests.faults.machine import Instance, Machine, State
from tests.faults.scenarios import Scenario, start_of

PROBED = "SELECT count(*) FROM sqlite_schema WHERE name = 'probe'"

LEASE_OVER_S = 1.5
"""After the end of the dead one's lease: past the second of grace too, so that the reaper acts."""
LEASE_NEARLY_OVER_S = -0.5
"""Before it: whoever comes now has to wait for it, and has the time to."""

PROBE = "CREATE TABLE IF NOT EXISTS probe (n)"
"""A write that anybody can make after a crash, and make again."""


@dataclass(slots=True)
class Counts:
    """The counts of a campaign: crashes, the directories they left, and the contents of those."""

    crash_points: int = 0
    directories: int = 0
    state_before: int = 0
    state_after: int = 0
    hot_journals: int = 0
    acknowledged: int = 0


def read(instance: Instance) -> State:
    return instance.state()


def write(instance: Instance) -> Any:
    return instance.ask(query=PROBE)


def reap(instance: Instance) -> None:
    assert instance.reap()["failures"] == []


FIRST: tuple[Act, ...] = (read, write, reap)
"""What comes first after a crash, in turn."""


class Campaign:
    """One scenario in one directory; every crash starts from the same state."""

    def __init__(
        self, scenario: Scenario, directory: Path, *, seeds: int, kept: Kept = IN_PLACE
    ) -> None:
        self.counts = Counts()
        self.scenario = scenario
        self._directory = directory
        self._seeds = seeds
        self._start = start_of(scenario, directory, kept)
        self._before = state_of(self._start, directory)
        self._after = state_of(undisturbed(self._start, directory, scenario.act), directory)
        assert (self._after != self._before) == scenario.changes

    def run(self, *, every: int = 1) -> Counts:
        """Crash at every operation of the request, or at each so many."""
        for where, wreck in self._wrecks(every):
            self._check(wreck, where, FIRST[self.counts.directories % len(FIRST)])
        return self.counts

    def run_recovery(self, *, every: int, apart: int = 1, step: int = 1) -> Counts:
        """Crash at every operation of the recovery from each so many wrecks that need one.

        The wrecks are of operations that lie so far apart; of the recovery, each `step` is taken.
        """
        wrecks = [(where, wreck) for where, wreck in self._wrecks(apart) if _needs_recovery(wreck)]
        first = min(every // 2, len(wrecks) - 1)
        for number, (where, wreck) in enumerate(wrecks[first::every]):
            for act in FIRST:
                self._recover(wreck, f"{where}; then {act.__name__}", act, number, step)
        return self.counts

    def _wrecks(self, every: int = 1) -> Iterator[tuple[str, Situation]]:
        scenario = self.scenario
        for point, wrecks in crashes(
            self._start,
            self._directory,
            scenario.act,
            seeds=self._seeds,
            warm=scenario.warm,
            every=every,
        ):
            self.counts.crash_points += 1
            for way, wreck in wrecks.items():
                yield f"{scenario.name}: operation {point}, {way}", wreck

    def _recover(self, wreck: Situation, where: str, act: Act, number: int, step: int) -> None:
        for point, wrecks in crashes(
            after_the_lease(wreck), self._directory, act, seeds=self._seeds, every=step
        ):
            self.counts.crash_points += 1
            for way, second in wrecks.items():
                first = FIRST[(number + point) % len(FIRST)]
                self._check(
                    replace(second, reply=wreck.reply),
                    f"{where}: operation {point}, {way}",
                    first,
                    probe_there=act is write and second.reply is not None,
                )

    def _check(
        self, wreck: Situation, where: str, first: Act, *, probe_there: bool = False
    ) -> None:
        counts = self.counts
        counts.directories += 1
        counts.hot_journals += wreck.kept.is_torn(wreck.image)
        counts.acknowledged += wreck.reply is not None
        wait_s = LEASE_OVER_S if first is reap else LEASE_NEARLY_OVER_S
        with machine_in(after_the_lease(wreck, wait_s), self._directory) as machine:
            try:
                state = _recovered(machine, first)
            except SqlatchError as error:
                raise AssertionError(f"{where}: {error!r}") from error
            assert machine.leases == [], f"{where}: a lease is left"
        has_probe = state.pop("probe", None) is not None
        state.pop("rows of probe", None)
        assert has_probe or not probe_there, f"{where}: the write after the crash is lost"
        self._judge(state, where, acknowledged=wreck.reply is not None)

    def _judge(self, state: State, where: str, *, acknowledged: bool) -> None:
        is_after = state == self._after
        assert is_after or state == self._before, f"{where}: neither before nor after: {state}"
        assert is_after or not acknowledged, f"{where}: acknowledged, and not there"
        self.counts.state_after += is_after
        self.counts.state_before += not is_after


def _recovered(machine: Machine, first: Act) -> State:
    """The state that a new instance finds, which then writes and sees what it wrote."""
    with closing(machine.start()) as instance:
        first(instance)
        state = instance.state()
        write(instance)
        assert instance.ask(query=PROBED)["rows"] == [[1]], "the write after the crash is not there"
        if machine.kept is IN_A_LOG:
            with closing(machine.start()) as other:
                assert other.state() == instance.state(), "a new copy is another than the old one"
        return state


def after_the_lease(wreck: Situation, seconds: float = LEASE_OVER_S) -> Situation:
    """The same, so long after the lease of the dead, if there is one, has ended."""
    ends_s = max((held.expires_at_s for held in wreck.leases), default=wreck.now_s)
    return replace(wreck, now_s=max(wreck.now_s, ends_s + seconds))


def _needs_recovery(wreck: Situation) -> bool:
    """In a log a lease that was left has to be taken over, and the log to be sealed."""
    return wreck.kept.is_torn(wreck.image) or (wreck.kept is IN_A_LOG and wreck.leases != [])
