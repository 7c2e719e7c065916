"""A model of the log in a directory: each access to what is shared is one step, in any order.

Two writers take the lease, which ends at any moment and which nobody checks; a sealer and a reader
have none, nor has who adds a database. What a step sees of the directory is one state of it. A
process that dies is one that takes no further step, so every crash between two steps is among the
orders.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

WRITERS = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the protocol. Each may be broken, to see whether the search finds it."""

    appender_looks: bool = True
    reader_looks: bool = True
    marks_before_it_reads: bool = True
    half_done_seal_is_helped: bool = True
    header_comes_with_its_name: bool = True
    settled_length_holds: bool = True
    take_over_seals: bool = True
    reaper_seals: bool = True
    fence_is_checked: bool = True
    fence_is_carried_on: bool = True
    seals_until_the_fence_is_its_own: bool = True
    doubt_is_sealed: bool = True
    lease_is_kept_in_doubt: bool = True
    replacement_goes_behind_what_it_knows: bool = True
    replacement_looks_for_its_name: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How much there is of what makes the search long."""

    commits: int = 3
    leases: int = 3
    reads: int = 1
    seals: int = 1
    torn: int = 1
    late: int = 1
    replacements: int = 0
    adds: int = 0
    segments: int = 4
    """Two who seal may go on for ever, each before the other, as long as both are as fast."""


class Record(NamedTuple):
    """A record, and the commits that its writer knew."""

    commit: int
    base: tuple[int, ...]


TORN = Record(0, ())


class Segment(NamedTuple):
    """The records, one at each offset.

    `previous_length` says where the segment before ends; it is None where there is no header yet.
    `base` is the replacement that the log goes on behind here: a commit that no slot has.
    """

    slots: tuple[Record, ...] = ()
    is_sealed: bool = False
    previous_length: int | None = 0
    fence: int = 0
    base: Record | None = None

    def written(self, offset: int, record: Record) -> Self:
        return self._replace(slots=(*self.slots[:offset], record, *self.slots[offset + 1 :]))


class Process(NamedTuple):
    """What a process does next, why, and what it knows."""

    step: str
    goal: str = ""
    epoch: int = 0
    offset: int = 0
    taken: tuple[int, ...] = ()
    found: tuple[Record, ...] = ()
    has_tail: bool = False
    fence: int = 0
    seals: bool = False
    commit: int = 0
    commit_epoch: int = 0
    promised_before: tuple[int, ...] = ()
    left: int = 0

    def entering(self, segment: Segment) -> Self:
        """Go on in the next segment: behind a replacement with a copy of that."""
        based = () if segment.base is None else (segment.base.commit,)
        return self._replace(epoch=self.epoch + 1, offset=0, taken=self.taken + based)

    def behind(self, records: tuple[Record, ...]) -> Self:
        return self._replace(
            offset=self.offset + len(records),
            taken=self.taken + tuple(record.commit for record in records),
            found=(),
        )


class World(NamedTuple):
    """All that there is at one moment.

    `promised` are the commits that were acknowledged, or returned to a reader; `late` are appends
    that are still in the network, and `late_link` is the header of a replacement that is.
    """

    processes: tuple[Process, ...]
    segments: tuple[Segment, ...] = (Segment(),)
    holder: int | None = None
    fence: int = 0
    late: tuple[tuple[int, int, Record], ...] = ()
    promised: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    commits_left: int = 0
    leases_left: int = 0
    torn_left: int = 0
    late_left: int = 0
    replacements_left: int = 0
    adds_left: int = 0
    late_link: tuple[int, Segment] | None = None

    def with_process(self, number: int, process: Process) -> Self:
        processes = (*self.processes[:number], process, *self.processes[number + 1 :])
        return self._replace(processes=processes)

    def with_segment(self, epoch: int, segment: Segment) -> Self:
        return self._replace(
            segments=(*self.segments[:epoch], segment, *self.segments[epoch + 1 :])
        )

    def promising(self, *commits: int) -> Self:
        return self._replace(promised=tuple(sorted({*self.promised, *commits})))

    def successor(self, epoch: int) -> Segment | None:
        """Return the segment that follows, None if there is none, or none with a header."""
        behind = self.segments[epoch + 1 :]
        return behind[0] if behind and behind[0].previous_length is not None else None


class Violation(Exception):
    """A state, or an answer, that must not be."""


def beginning(limits: Limits) -> World:
    writers = (Process("idle"),) * WRITERS
    sealer = Process("idle", goal="seal", left=limits.seals)
    reader = Process("idle", goal="read", left=limits.reads)
    return World(
        (*writers, sealer, reader),
        commits_left=limits.commits,
        leases_left=limits.leases,
        torn_left=limits.torn,
        late_left=limits.late,
        replacements_left=limits.replacements,
        adds_left=limits.adds,
    )


def search(rules: Rules, limits: Limits) -> int:
    """Visit every state that can be reached. Return how many there are; Violation."""
    start = beginning(limits)
    seen = {start}
    waiting = [start]
    while waiting:
        for following in successors(waiting.pop(), rules):
            world = _alike(following)
            if world not in seen and len(world.segments) <= limits.segments:
                check(world)
                seen.add(world)
                waiting.append(world)
    return len(seen)


def _alike(world: World) -> World:
    """Return the same for two worlds that differ in which writer is which."""
    first, second, *others = world.processes
    if first <= second:
        return world
    holder = None if world.holder is None else 1 - world.holder
    return world._replace(processes=(second, first, *others), holder=holder)


def check(world: World) -> None:
    """Violation unless what everybody knows agrees with the log as it is in the directory."""
    log = log_of(world)
    commits = tuple(record.commit for record in log)
    if len(set(commits)) < len(commits):
        raise Violation("a commit is in the log twice")
    if not set(world.promised) <= set(commits):
        raise Violation("a commit that was acknowledged or read is lost")
    if set(world.refused) & set(commits):
        raise Violation("a refused commit is in the log")
    for number, record in enumerate(log):
        if record.base != commits[:number]:
            raise Violation("a record was made on another state than that before it")
    for process in world.processes:
        if process.taken != commits[: len(process.taken)]:
            raise Violation("a process knows what is not the beginning of the log")


def log_of(world: World) -> list[Record]:
    log: list[Record] = []
    for epoch, segment in enumerate(world.segments):
        if segment.base is not None:
            log.append(segment.base)
        successor = world.successor(epoch)
        length = len(segment.slots) if successor is None else successor.previous_length
        whole = _whole(segment, 0)
        if successor is not None and len(whole[:length]) != length:
            raise Violation("a sealed segment has fewer records than its successor says")
        log += whole[:length]
    return log


def successors(world: World, rules: Rules) -> Iterator[World]:
    for number, process in enumerate(world.processes):
        yield from _STEPS[process.step](world, number, process, rules)
    for epoch, offset, record in world.late:
        landed = world.segments[epoch].written(offset, record)
        yield world.with_segment(epoch, landed)._replace(late=())
    if world.late_link is not None:
        epoch, linked = world.late_link
        is_first = epoch + 1 == len(world.segments)
        segments = (*world.segments, linked) if is_first else world.segments
        yield world._replace(segments=segments, late_link=None)
    if not rules.reaper_seals and world.holder is not None:
        yield world._replace(holder=None)


def _idle(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    if process.goal == "seal":
        if process.left:
            newest = process._replace(epoch=len(world.segments) - 1, left=process.left - 1)
            yield from _STEPS[_sealing(world, newest, rules).step](world, number, newest, rules)
    elif process.goal == "read":
        if process.left:
            reading = process._replace(
                step="read", left=process.left - 1, promised_before=world.promised
            )
            yield from _read(world, number, reading, rules)
    else:
        yield from _idle_writer(world, number, process, rules)


def _idle_writer(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Take the lease; or add the database, which needs none, if there is no record yet."""
    commit, newest = world.commits_left, len(world.segments) - 1
    if world.adds_left and commit and not log_of(world):
        adding = Process("idle", goal="replace", epoch=newest, commit=commit, commit_epoch=newest)
        yield world._replace(commits_left=commit - 1, adds_left=world.adds_left - 1).with_process(
            number, _sealing(world, adding, rules)
        )
    if world.commits_left and world.leases_left:
        fence = world.fence + 1
        ready = process._replace(
            step="read",
            goal="ready",
            fence=fence,
            seals=world.holder is not None and rules.take_over_seals,
        )
        yield world._replace(
            holder=number, fence=fence, leases_left=world.leases_left - 1
        ).with_process(number, ready)


def _read(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    process = _passed(world, process, rules)
    segment = world.segments[process.epoch]
    if not segment.is_sealed and process.offset == len(segment.slots):
        yield from _synced(world, number, process._replace(has_tail=False), rules)
        return
    found = _whole(segment, process.offset)
    if not rules.reader_looks and process.goal == "read" and found:
        yield from _synced(world, number, process.behind(found), rules)
        return
    yield world.with_process(number, process._replace(step="look", found=found))


def _passed(world: World, process: Process, rules: Rules) -> Process:
    """Read what is settled. It never changes, so to read it later would show the same."""
    while (successor := world.successor(process.epoch)) is not None:
        found = _whole(world.segments[process.epoch], process.offset)
        assert successor.previous_length is not None
        if rules.settled_length_holds or process.goal != "read":
            found = found[: successor.previous_length - process.offset]
            if process.offset + len(found) != successor.previous_length:
                raise Violation("a reader finds a sealed segment damaged")
        process = process.behind(found).entering(successor)
    return process


def _look(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    segment = world.segments[process.epoch]
    if segment.is_sealed:
        step = "open" if world.successor(process.epoch) is None else "read"
        yield world.with_process(number, process._replace(step=step, found=()))
        return
    behind = process.behind(process.found)
    has_tail = len(segment.slots) != behind.offset
    yield from _synced(world, number, behind._replace(has_tail=has_tail), rules)


def _open(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """To help is to seal, as the sealer may at any moment: so a reader waits, and others seal."""
    if world.successor(process.epoch) is not None:
        yield from _read(world, number, process, rules)
    elif process.goal != "read":
        yield world.with_process(number, _sealing(world, process, rules))
    elif not rules.half_done_seal_is_helped:
        yield from _synced(world, number, process, rules)


def _sealing(world: World, process: Process, rules: Rules) -> Process:
    """The first step of a seal. To mark what is marked changes nothing, so it is no step."""
    is_marked = world.segments[process.epoch].is_sealed
    step = "mark" if rules.marks_before_it_reads and not is_marked else "tail"
    return process._replace(step=step, found=())


def _mark(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    marked = world.segments[process.epoch]._replace(is_sealed=True)
    then = "tail" if rules.marks_before_it_reads else "link"
    yield world.with_segment(process.epoch, marked).with_process(
        number, process._replace(step=then)
    )


def _tail(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    if world.successor(process.epoch) is not None and rules.header_comes_with_its_name:
        yield world.with_process(number, _linked(process))
        return
    found = _whole(world.segments[process.epoch], process.offset)
    then = "link" if rules.marks_before_it_reads else "mark"
    yield world.with_process(number, process._replace(step=then, found=found))


def _link(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    is_there = process.epoch + 1 < len(world.segments)
    if process.goal == "replace" and process.fence and world.late_left:
        late = (process.epoch, _made(world, process, rules))
        lost = world._replace(late_link=late, late_left=0)
        yield _doubting(lost, number, process._replace(found=()), rules)
    if rules.header_comes_with_its_name:
        if not is_there:
            world = world._replace(segments=(*world.segments, _made(world, process, rules)))
        yield world.with_process(number, _linked(process))
    elif world.successor(process.epoch) is not None:
        yield world.with_process(number, _linked(process))
    else:
        if not is_there:
            empty = Segment(previous_length=None)
            world = world._replace(segments=(*world.segments, empty))
        yield world.with_process(number, process._replace(step="header"))


def _linked(process: Process) -> Process:
    if process.goal == "replace":
        return process._replace(step="based", found=())
    return Process("done") if process.goal == "seal" else process._replace(step="read", found=())


def _header(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """The name was made before: whoever finds it without a header writes one."""
    made = _made(world, process, rules)
    old = world.segments[process.epoch + 1]
    headed = old._replace(previous_length=made.previous_length, fence=made.fence)
    yield world.with_segment(process.epoch + 1, headed).with_process(number, _linked(process))


def _made(world: World, process: Process, rules: Rules) -> Segment:
    length = process.offset + len(process.found)
    before = world.segments[process.epoch].fence if rules.fence_is_carried_on else 0
    made = Segment(previous_length=length, fence=max(before, process.fence))
    knows_all = not process.found or not rules.replacement_goes_behind_what_it_knows
    if process.goal == "replace" and knows_all:
        return made._replace(base=Record(process.commit, process.taken))
    return made


def _based(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Look whether the log goes on behind the replacement, or another was first."""
    bases = [segment.base.commit for segment in world.segments if segment.base is not None]
    then = process._replace(step="give back", commit=0, commit_epoch=0)
    if process.commit in bases or not rules.replacement_looks_for_its_name:
        yield world.promising(process.commit).with_process(number, then)
    else:
        refused = tuple(sorted((*world.refused, process.commit)))
        yield world._replace(refused=refused).with_process(number, then)


def _synced(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """What a process does when it knows all that is in the log."""
    if process.goal == "read":
        if not set(process.promised_before) <= set(process.taken):
            raise Violation("a read misses what was acknowledged before it began")
        idle = Process("idle", goal="read", left=process.left)
        yield world.promising(*process.taken).with_process(number, idle)
    elif process.goal == "ready":
        yield _ready(world, number, process, rules)
    else:
        yield _outcome(world, number, process, rules)


def _ready(world: World, number: int, process: Process, rules: Rules) -> World:
    segment = world.segments[process.epoch]
    if rules.fence_is_checked and segment.fence > process.fence:
        return world.with_process(number, process._replace(step="give back"))
    if not rules.seals_until_the_fence_is_its_own and process.seals and process.epoch:
        process = process._replace(seals=False)
    must_seal = process.seals and segment.fence < process.fence
    if must_seal or process.has_tail:
        return world.with_process(number, _sealing(world, process, rules))
    return world.with_process(number, process._replace(step="write", seals=False))


def _outcome(world: World, number: int, process: Process, rules: Rules) -> World:
    then = process._replace(step="give back", commit=0, commit_epoch=0)
    if process.commit in process.taken:
        return world.promising(process.commit).with_process(number, then)
    is_decided = process.goal == "outcome, behind" or process.epoch != process.commit_epoch
    if is_decided or len(process.taken) > process.left or not rules.doubt_is_sealed:
        refused = tuple(sorted((*world.refused, process.commit)))
        return world._replace(refused=refused).with_process(number, then)
    return world.with_process(number, _sealing(world, process, rules))


def _write(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    if not world.commits_left:
        yield world.with_process(number, process._replace(step="give back"))
        return
    commit = world.commits_left
    world = world._replace(commits_left=commit - 1)
    segment = world.segments[process.epoch]
    record = Record(commit, process.taken)
    writing = process._replace(
        step="check", commit=commit, commit_epoch=process.epoch, left=len(process.taken)
    )
    if world.replacements_left:
        replacing = _sealing(world, writing._replace(goal="replace"), rules)
        left = world.replacements_left - 1
        yield world._replace(replacements_left=left).with_process(number, replacing)
    yield world.with_segment(process.epoch, segment.written(process.offset, record)).with_process(
        number, writing
    )
    if world.torn_left:
        yield (
            world._replace(torn_left=world.torn_left - 1)
            .with_segment(process.epoch, segment.written(process.offset, TORN))
            .with_process(number, process._replace(step="done"))
        )
    if world.late_left:
        late = (*world.late, (process.epoch, process.offset, record))
        doubting = _doubting(world._replace(late=late, late_left=0), number, writing, rules)
        yield doubting


def _check(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    segment = world.segments[process.epoch]
    is_alone = not segment.is_sealed and len(segment.slots) == process.offset + 1
    if rules.appender_looks and not is_alone:
        yield _doubting(world, number, process, rules)
        return
    done = process._replace(
        step="give back",
        offset=process.offset + 1,
        taken=(*process.taken, process.commit),
        commit=0,
        commit_epoch=0,
        left=0,
    )
    yield world.promising(process.commit).with_process(number, done)


def _doubting(world: World, number: int, process: Process, rules: Rules) -> World:
    if not rules.lease_is_kept_in_doubt and world.holder == number:
        world = world._replace(holder=None)
    return world.with_process(number, process._replace(step="read", goal="outcome"))


def _give_back(world: World, number: int, process: Process, _rules: Rules) -> Iterator[World]:
    if world.holder == number:
        world = world._replace(holder=None)
    idle = process._replace(
        step="idle", goal="", fence=0, seals=False, has_tail=False, left=0, found=()
    )
    yield world.with_process(number, idle)


def _done(*_nothing: object) -> Iterator[World]:
    return iter(())


def _whole(segment: Segment, offset: int) -> tuple[Record, ...]:
    """The whole records from an offset on, up to the first that is torn."""
    slots = segment.slots[offset:]
    return slots[: slots.index(TORN)] if TORN in slots else slots


_STEPS: dict[str, Callable[[World, int, Process, Rules], Iterator[World]]] = {
    "idle": _idle,
    "read": _read,
    "look": _look,
    "open": _open,
    "mark": _mark,
    "tail": _tail,
    "link": _link,
    "based": _based,
    "header": _header,
    "write": _write,
    "check": _check,
    "give back": _give_back,
    "done": _done,
}
