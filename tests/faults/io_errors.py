"""The campaign of failing system calls: each call of a request in turn, once and from then on."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlatch.kernel.errors import DatabaseCorrupt, SqlatchError, StorageError
from tests.faults.crashes import WARM_UP, machine_in, state_of, undisturbed
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
    outcome_unknown: int = 0
    unknown_and_there: int = 0


class Campaign:
    """One scenario with one kind of fault."""

    def __init__(self, scenario: Scenario, directory: Path) -> None:
        self.counts = Counts()
        self.scenario = scenario
        self._directory = directory
        self._start = start_of(scenario, directory)
        self._before = state_of(self._start, directory)
        self._after = state_of(undisturbed(self._start, directory, scenario.act), directory)

    def run(self, errno: int, calls: frozenset[str], *, lasting: bool) -> Counts:
        for point in range(1, POINTS_MAX):
            fault = Fault(errno, calls, point, lasting=lasting, active=False)
            with machine_in(self._start, self._directory) as machine:
                self._one(machine, fault)
            if not fault.failed:
                return self.counts
            self.counts.faults += 1
        raise AssertionError("the request does not end")

    def _one(self, machine: Machine, fault: Fault) -> None:
        where = f"{self.scenario.name}: call {fault.fails_at}, errno {fault.errno}"
        with closing(machine.start()) as instance, failing(fault):
            if self.scenario.warm:
                instance.ask(query=WARM_UP)
            fault.active = True
            answered = self._act(instance, where)
            fault.active = False
            assert machine.leases == [], f"{where}: a lease is left"
            self._judge(instance.state(), answered, where)
            instance.ask(query=PROBE)
            with closing(machine.start()) as other:
                assert other.ask(query="SELECT * FROM probe")["rows"] == []
                assert other.state() == instance.state()

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
        except SqlatchError as error:
            raise AssertionError(f"{where}: {error!r}") from error
        if reply != self.scenario.reply and self.scenario.reply is not None:
            return self._all_returned(reply, instance, where)
        self.counts.answered_all_the_same += 1
        return "there"

    def _all_returned(self, failed: list[str], instance: Instance, where: str) -> str:
        """A queue's batch: nobody is told why, so all is delivered again."""
        assert failed == list(MESSAGES), f"{where}: {failed}"
        assert instance.record.code in {StorageError.code, DatabaseCorrupt.code}, where
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
