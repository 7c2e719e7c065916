"""The files that an instance opens before it writes under a lease taken over from one that died.

An NFS client asks the server about a file when it is opened. Off NFS nothing would go wrong without
that, so the opening itself is looked at.
"""

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from locking.lease import HeldLease
from tests.faults.machine import Instance, Machine
from tests.hrana.client import execute

INSERT = "INSERT INTO t VALUES (1)"
DIED_BEFORE_S = 60.0


def over_libsql(instance: Instance) -> None:
    (result,) = instance.pipeline(execute(INSERT))["results"]
    assert result["type"] == "ok", result


def by_a_queue(instance: Instance) -> None:
    message_id = str(instance.service.clock.now())
    assert instance.deliver({message_id: {"query": INSERT}}) == []


DOORS: dict[str, Callable[[Instance], Any]] = {
    "direct": lambda instance: instance.ask(query=INSERT),
    "with a key": lambda instance: instance.ask(
        query=INSERT, idempotency_key=str(instance.service.clock.now())
    ),
    "a queue": by_a_queue,
    "libSQL": over_libsql,
    "VACUUM": lambda instance: instance.ask(query="VACUUM"),
}


def run(door: str, directory: Path, patch: pytest.MonkeyPatch) -> None:
    """Write in a warm instance, then again when another has died with the lease in its hand."""
    machine = Machine(directory)
    with closing(machine), closing(machine.start()) as instance:
        instance.ask(query="CREATE TABLE t (n)")
        DOORS[door](instance)
        machine.time.pass_by(1)
        calm = opened_by(lambda: DOORS[door](instance), patch)
        now_s = machine.time.now_s
        machine.put_leases([HeldLease("main", "lock", "dead", now_s, now_s + 1, fence=0)])
        machine.time.pass_by(DIED_BEFORE_S)
        taken_over = opened_by(lambda: DOORS[door](instance), patch)

    directory_and_journal = {directory, directory / "main.db-journal"}
    assert not directory_and_journal & calm, "a warm instance opens them at every write"
    assert directory_and_journal <= taken_over, "a takeover does not open the journal"


def opened_by(action: Callable[[], Any], patch: pytest.MonkeyPatch) -> set[Path]:
    """Note what Python opens in the block; what SQLite opens is not seen here."""
    opened = set()
    system_open = os.open

    def opening(path: Any, *arguments: Any, **named: Any) -> int:
        opened.add(Path(path))
        return system_open(path, *arguments, **named)

    with patch.context() as within:
        within.setattr(os, "open", opening)
        action()
    return opened
