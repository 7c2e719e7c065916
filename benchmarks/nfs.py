"""The NFS operations of a request, counted by the kernel of a real NFS client.

On EFS each takes a millisecond or more. The clients are the virtual machines of `make nfs`.
"""

from typing import TYPE_CHECKING, Any

from benchmarks.sampling import Tables
from benchmarks.subjects import LOG, SQLATCH
from benchmarks.workplace import Workplace
from tests.nfs.client import Client, Instance
from tests.nfs.lab import Lab, Unavailable, lab

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("read", "after", "write")
BOOKKEEPING = "FREE_STATEID"
"""The kernel's own, sent behind the back of a request that does not wait for it."""

CREATE: dict[str, Any] = {"query": "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)"}
READ: dict[str, Any] = {"query": "SELECT v FROM t WHERE id = 1"}
WRITE: dict[str, Any] = {"query": "INSERT INTO t (v) VALUES ('x')"}


def operations(work: Workplace) -> Tables:
    """Operations of a read, of one behind another client's commit, and of a one-row write."""
    tables: Tables = {f"nfs_{kind}": {} for kind in KINDS}
    if work.counts.nfs_turns:
        directory = work.place()
        directory.mkdir()
        try:
            with lab(directory) as running:
                for name in (SQLATCH, LOG):
                    counted = _counted(running, _environment(running, name), work.counts.nfs_turns)
                    for kind in KINDS:
                        tables[f"nfs_{kind}"][name] = counted[kind]
        except Unavailable:
            return {key: {} for key in tables}
    return tables


def _environment(running: Lab, name: str) -> dict[str, str]:
    environment = running.directory(name.replace(", ", "-"))
    if name == LOG:
        environment["SQLATCH_LOG"] = f"directory:{environment.pop('SQLATCH_DATABASES')}"
    return environment


def _counted(running: Lab, environment: dict[str, str], turns: int) -> dict[str, list[float]]:
    with running.a.instance(environment) as on_a, running.b.instance(environment) as on_b:
        for instance, event in ((on_a, CREATE), (on_a, WRITE), (on_b, READ)):
            _ask(instance, event)

        def read_after() -> float:
            _ask(on_a, WRITE)
            return _operations(running.b, on_b, READ)

        actions: dict[str, Callable[[], float]] = {
            "read": lambda: _operations(running.b, on_b, READ),
            "after": read_after,
            "write": lambda: _operations(running.a, on_a, WRITE),
        }
        return {kind: [action() for _turn in range(turns)] for kind, action in actions.items()}


def _operations(client: Client, instance: Instance, event: dict[str, Any]) -> float:
    before = _total(client)
    _ask(instance, event)
    return _total(client) - before


def _total(client: Client) -> float:
    return sum(count for kind, count in client.operations().items() if kind != BOOKKEEPING)


def _ask(instance: Instance, event: dict[str, Any]) -> None:
    answer = instance.ask(**event)
    assert "reply" in answer, answer
