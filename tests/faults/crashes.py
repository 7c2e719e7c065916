"""The crash campaign: a request stopped at every operation in turn, and what is there after it."""

import gc
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from locking.lease import HeldLease
from sqlatch.kernel.errors import SqlatchError
from tests.faults.disk import Crash, Fuse, Image
from tests.faults.engines import IN_PLACE, Kept
from tests.faults.machine import STARTED_AT_S, Instance, LostAnswers, Machine, State, Time

POINTS_MAX = 20_000
WARM_UP = "UPDATE counter SET n = n"

Act = Callable[[Instance], Any]


@dataclass(frozen=True, slots=True)
class Situation:
    """The state between two instances: files, leases, time, and the reply of the last one.

    `kept` is how databases are kept in it.
    """

    image: Image
    leases: list[HeldLease]
    now_s: float = STARTED_AT_S
    reply: Any = None
    kept: Kept = IN_PLACE


@contextmanager
def machine_in(situation: Situation, directory: Path) -> Iterator[Machine]:
    situation.kept.put_image(directory, situation.image)
    with closing(Machine(directory, Time(situation.now_s), kept=situation.kept)) as machine:
        machine.put_leases(situation.leases)
        yield machine


def undisturbed(
    situation: Situation, directory: Path, act: Act, *, lost: LostAnswers | None = None
) -> Situation:
    """The state after an instance has acted and was closed; it may lose the table's answers."""
    with machine_in(situation, directory) as machine:
        with closing(machine.start(lost=lost)) as instance:
            reply = act(instance)
        return _after(machine, machine.kept.image_of(directory), reply)


def state_of(situation: Situation, directory: Path) -> State:
    with machine_in(situation, directory) as machine, closing(machine.start()) as instance:
        return instance.state()


def crashes(
    situation: Situation,
    directory: Path,
    act: Act,
    *,
    seeds: int,
    warm: bool = False,
    every: int = 1,
) -> Iterator[tuple[int, dict[str, Situation]]]:
    """Crash at each operation, then once after the last; what that leaves, in each way once.

    Or at each so many operations.
    """
    seen = set[Any]()
    for point in range(1, POINTS_MAX, every):
        disk, wreck = crash_at(point, situation, directory, act, warm=warm)
        images = disk.images(range(point, point + seeds))
        wrecks = {way: replace(wreck, image=image) for way, image in _distinct(images)}
        yield point, wrecks if situation.kept is IN_PLACE else dict(_unseen(wrecks, seen))
        if not disk.fuse.blown:
            return
    raise AssertionError("the request does not end")


def crash_at(
    point: int,
    situation: Situation,
    directory: Path,
    act: Act,
    *,
    warm: bool = False,
    fuse: Fuse | None = None,
) -> tuple[Any, Situation]:
    """Crash at one operation; the disk, and what is there as if all was kept."""
    with machine_in(situation, directory) as machine:
        disk = situation.kept.disk(directory, fuse or Fuse())
        reply = _crash(machine, disk, act, point, warm=warm)
        return disk, _after(machine, disk.left(), reply)


def _after(machine: Machine, image: Image, reply: Any) -> Situation:
    return Situation(image, machine.leases, machine.time.now_s, reply, machine.kept)


def _crash(machine: Machine, disk: Any, act: Act, point: int, *, warm: bool) -> Any:
    """The reply, None if the crash came before it."""
    fuse = disk.fuse
    reply = None
    with machine.kept.running(disk, machine.time.now_s) as vfs:
        instance = machine.start(fuse)
        if warm:
            instance.ask(query=WARM_UP)
        fuse.steps, fuse.blows_at = 0, point
        with suppress(Crash):
            reply = _alive(fuse, lambda: act(instance))
        died, fuse.blown = fuse.blown, True
        disk.end()
        instance.abandon()
        if vfs.open_files:
            gc.collect()
        assert vfs.open_files == 0, "a dead instance holds files open"
    fuse.blown = died
    return reply


def _alive(fuse: Fuse, answer: Callable[[], Any]) -> Any:
    """Return the answer; Crash if the crash came first, even where SQLite made it an error."""
    try:
        reply = answer()
    except SqlatchError:
        if fuse.blown:
            raise Crash from None
        raise
    if fuse.blown:
        raise Crash
    return reply


def _unseen(wrecks: dict[str, Situation], seen: set[Any]) -> Iterator[tuple[str, Situation]]:
    """Leave out what a crash at an earlier operation has left too: in a log, most of what another
    machine finds."""
    for way, wreck in wrecks.items():
        known_by = (
            frozenset(wreck.image.items()),
            tuple(held.database for held in wreck.leases),
            wreck.reply is None,
        )
        if known_by not in seen:
            seen.add(known_by)
            yield way, wreck


def _distinct(images: Iterable[tuple[str, Image]]) -> Iterator[tuple[str, Image]]:
    seen: list[Image] = []
    for way, image in images:
        if image not in seen:
            seen.append(image)
            yield way, image
