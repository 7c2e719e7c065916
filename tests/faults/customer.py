"""One process of the crowd: it writes transfers, or reads, until it is told to finish or killed."""

import os
import random
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from handler import local
from sqlatch.kernel.errors import SqlatchError
from tests.faults import bank
from tests.faults.notes import Notebook
from tests.writers import without_protection

READ_EVERY_S = 0.01
COMMIT_FIRST_S = 0.02
"""What a commit may take, until this process has seen one."""

BEFORE_THE_CHECK = "before the check"
AFTER_THE_CHECK = "after the check"


@dataclass(frozen=True, slots=True)
class Task:
    """One process of the bank. `without` names what is taken out of its service.

    With `copies` the databases are kept in a log, and that is where the process has its own.
    It stops itself (SIGSTOP) at `stops_at` the next time it gets there after a SIGUSR1. In so many
    of its commits as `dies` says (0 to 1), the kernel ends it at a random moment.
    """

    role: str
    notes: str
    directory: str
    databases: Sequence[str]
    timeout_ms: int
    without: Sequence[str] = ()
    stops_at: str = ""
    dies: float = 0
    copies: str = ""


class Customer:
    """The process's own state: its notes, and what signals asked of it."""

    def __init__(self, task: Task) -> None:
        self.task = task
        # Of thousands of processes, some have the number of one that is gone.
        self.name = f"{os.getpid()}-{time.time_ns()}"
        self.notes = Notebook(Path(task.notes))
        self.chance = random.Random()
        self.finishing = False
        self.to_stop = False
        self.commit_s = COMMIT_FIRST_S
        signal.signal(signal.SIGTERM, self._on_finish)
        signal.signal(signal.SIGUSR1, self._on_stop)

    def run(self) -> None:
        act = self._write if self.task.role == "writer" else self._read
        turn = 0
        while not self.finishing:
            act(self.chance.choice(self.task.databases), turn)
            turn += 1

    def reached(self, point: str) -> None:
        """Stop here if that was asked for."""
        if self.to_stop and point == self.task.stops_at:
            self.to_stop = False
            self.notes.write("stopping", point=point)
            os.kill(os.getpid(), signal.SIGSTOP)

    def maybe_die(self) -> None:
        """Have the kernel end this process shortly, wherever it is then: as kill -9 does."""
        if self.chance.random() < self.task.dies:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, self.chance.uniform(1e-6, 1.2 * self.commit_s))

    def _write(self, database: str, turn: int) -> None:
        transfer_id = f"{self.name}-{turn}"
        source, target = self.chance.sample(range(bank.ACCOUNTS), 2)
        event = bank.transfer(
            database=database,
            transfer_id=transfer_id,
            source=source,
            target=target,
            amount=self.chance.randint(1, 100),
            timeout_ms=self.task.timeout_ms,
        )
        self.notes.write("asked", database=database, id=transfer_id)
        try:
            reply = local.invoke(event)
        except SqlatchError as error:
            self.notes.write("refused", database=database, id=transfer_id, **error.body())
            return
        count, total = bank.count_and_sum(reply)
        self.notes.write("acknowledged", database=database, id=transfer_id, count=count, sum=total)

    def _read(self, database: str, _turn: int) -> None:
        event = bank.look(database=database, timeout_ms=self.task.timeout_ms)
        started_s = time.time()
        try:
            reply = local.invoke(event)
        except SqlatchError as error:
            self.notes.write("not read", database=database, **error.body())
            return
        total, count, length = bank.seen(reply)
        self.notes.write(
            "read",
            database=database,
            started_s=started_s,
            sum=total,
            count=count,
            length=length,
            lease_wait_ms=reply["meta"]["lease_wait_ms"],
        )
        time.sleep(READ_EVERY_S)

    def _on_finish(self, *_arguments: Any) -> None:
        self.finishing = True

    def _on_stop(self, *_arguments: Any) -> None:
        self.to_stop = True


def run(task: Task) -> None:
    """Be that customer. An error that is not in the contract is noted, and ends the process."""
    if task.copies:
        del os.environ["SQLATCH_DATABASES"]
        os.environ |= {"SQLATCH_LOG": f"directory:{task.directory}", "SQLATCH_COPIES": task.copies}
    else:
        os.environ["SQLATCH_DATABASES"] = task.directory
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = f"{task.role}-{os.getpid()}"
    without_protection(task.without)
    customer = Customer(task)
    _watch_commits(customer)
    try:
        customer.run()
    except BaseException:
        customer.notes.write("crashed", traceback=traceback.format_exc())
        raise


def _watch_commits(customer: Customer) -> None:
    """Note when each commit began and ended, and when its lease ran out; stop where asked."""
    from handler.service import Service
    from storage.inplace.store import Store
    from storage.log.directory import DirectoryLog

    grant_of, commit, append = Service._grant, Store._commit, DirectoryLog.append
    expires_at_s = 0.0

    def grant_watched(self: Service, lease: Any, deadline_s: float, right: Any) -> Any:
        grant = grant_of(self, lease, deadline_s, right)

        def check() -> None:
            nonlocal expires_at_s
            customer.reached(BEFORE_THE_CHECK)
            if "last check" not in customer.task.without:
                grant.check()
            expires_at_s = lease.held.expires_at_s

        return replace(grant, check=check)

    @contextmanager
    def watched(database: str) -> Iterator[None]:
        started_s = time.time()
        customer.reached(AFTER_THE_CHECK)
        customer.maybe_die()
        yield
        customer.commit_s = time.time() - started_s
        customer.notes.write(
            "committed", database=database, started_s=started_s, expires_at_s=expires_at_s
        )

    def commit_watched(self: Store, session: Any) -> None:
        with watched(self.name):
            commit(self, session)

    def append_watched(self: DirectoryLog, commit_id: bytes, content: bytes) -> None:
        with watched(self._chain.directory.parent.name):
            append(self, commit_id, content)

    Service._grant = grant_watched
    Store._commit = commit_watched
    DirectoryLog.append = append_watched
