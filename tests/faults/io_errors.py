"""The campaign of failing system calls: each call of a request in turn, once and from then on."""

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from sqlatch.kernel.errors import DatabaseBusy, DatabaseCorrupt, SqlatchError, StorageError
from tests.faults.campaign import LEASE_OVER_S
from tests.faults.crashes import WARM_UP, machine_in, state_of, undisturbed
from tests.faults.engines import IN_A_LOG, IN_PLACE, Kept
from tests.faults.machine import Instance, Machine, State
from tests.faults.scenarios import MESSAGES, Scenario, start_of
from tests.faults.system_calls import Fault, failing

POINTS_MAX = 20_000
PROBE = "CREATE TABLE probe (n)"


@dataclass(slots=True)
class Counts:
    """The counts: calls that failed, and how the requests ended."""

    faults: int = 0
    answered_all_the_same: int = 0
    storage_error: int = 0
    database_corrupt: int = 0
    database_busy: int = 0
    outcome_unknown: int = 0
    unknown_and_there: int = 0
    leases_left: int = 0


class Campaign:
    """One scenario with one kind of fault."""

    def __init__(self, scenario: Scenario, directory: Path, kept: Kept = IN_PLACE) -> None:
        self.counts = Counts()
        self.scenario = scenario
        self._directory = directory
        self._start = start_of(scenario, directory, kept)
        self._before = state_of(self._start, directory)
        self._after = state_of(undisturbed(self._start, directory, scenario.act), directory)

    def run(self, errno: int, calls: frozenset[str], *, lasting: bool, every: int = 1) -> Counts:
        for point in range(1, POINTS_MAX, every):
            fault = Fault(errno, calls, point, lasting=lasting, active=False)
            with (
                machine_in(self._start, self._directory) as machine,
                pytest.MonkeyPatch.context() as p,
            ):
                p.setattr(time, "sleep", machine.time.pass_by)
                self._one(machine, fault)
            if not fault.failed:
                return self.counts
            self.counts.faults += 1
        raise AssertionError("the request does not end")

    def _one(self, machine: Machine, fault: Fault) -> None:
        where = f"{self.scenario.name}: call {fault.fails_at}, errno {fault.errno}"
        with closing(machine.start()) as instance, failing(fault, self._directory):
            if self.scenario.warm:
                instance.ask(query=WARM_UP)
            fault.active = True
            answered = self._act(instance, where)
            fault.active = False
            self._check_leases(machine, fault, answered, where)
            self._judge(instance.state(), answered, where)
            instance.ask(query=PROBE)
            with closing(machine.start()) as other:
                assert other.ask(query="SELECT * FROM probe")["rows"] == []
                assert other.state() == instance.state()

    def _check_leases(self, machine: Machine, fault: Fault, answered: str, where: str) -> None:
        """No lease is left; but in a log one that is in doubt, until it ends: of a commit whose
        outcome is not known, or of a seal that cannot be made."""
        cannot_seal = fault.lasting or self._start.leases != []
        is_in_doubt = answered == "unknown" or (answered == "not there" and cannot_seal)
        may_be_left = machine.kept is IN_A_LOG and is_in_doubt
        assert may_be_left or machine.leases == [], f"{where}: a lease is left: {answered}"
        for held in machine.leases:
            self.counts.leases_left += 1
            machine.time.pass_by(held.expires_at_s + LEASE_OVER_S - machine.time.now_s)

    def _act(self, instance: Instance, where: str) -> str:
        """Return how it ended: `there`, `not there` or `unknown`."""
        instance.record.code = None
        try:
            reply = self.scenario.act(instance)
        except StorageError as error:
            unknown = error.facts.get("outcome") == "unknown"
            self.counts.storage_error += 1
            self.counts.outcome_unknown += unknown
            return "unknown" if unknown else "not there"
        except DatabaseCorrupt:
            self.counts.database_corrupt += 1
            return "not there"
        except DatabaseBusy:
            # A lock that is never to be had is waited for until the deadline.
            self.counts.database_busy += 1
            return "not there"
        except SqlatchError as error:
            raise AssertionError(f"{where}: {error!r}") from error
        if reply != self.scenario.reply and self.scenario.reply is not None:
            return self._all_returned(reply, instance, where)
        self.counts.answered_all_the_same += 1
        return "there"

    def _all_returned(self, failed: list[str], instance: Instance, where: str) -> str:
        """A queue's batch: nobody is told why, so all is delivered again."""
        assert failed == list(MESSAGES), f"{where}: {failed}"
        errors = {StorageError.code, DatabaseCorrupt.code, DatabaseBusy.code}
        assert instance.record.code in errors, where
        self.counts.database_busy += instance.record.code == DatabaseBusy.code
        self.counts.storage_error += instance.record.code == StorageError.code
        self.counts.database_corrupt += instance.record.code == DatabaseCorrupt.code
        self.counts.outcome_unknown += 1
        return "unknown"

    def _judge(self, state: State, answered: str, where: str) -> None:
        is_after, is_before = state == self._after, state == self._before
        assert is_after or is_before, f"{where}: neither before nor after: {state}"
        if answered == "there":
            assert is_after, f"{where}: acknowledged, and not there"
        if answered == "not there":
            assert is_before, f"{where}: refused, and there"
        if answered == "unknown":
            self.counts.unknown_and_there += is_after
