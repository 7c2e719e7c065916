"""A model of the log in DynamoDB: each call is one step, in any order with those of others.

Two writers, a reader and a reaper. A request or its answer may be lost, a put may land late, and
any process may sleep: time passes in ticks of half of the time that records are kept, and who has
not heard in this tick that its place is the newest is stale. A process that dies is one that takes
no further step, so every crash between two steps is among the orders. A database may be replaced:
its new content is laid ready, and then a record names it, behind which the log goes on.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

KEEP_TICKS = 2


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of the protocol. Each may be broken, to see whether the search finds it."""

    put_has_a_condition: bool = True
    own_record_is_known: bool = True
    writer_checks_the_floor: bool = True
    reader_checks_the_floor: bool = True
    stale_loser_believes_no_winner: bool = True
    reaper_waits: bool = True
    newest_stays: bool = True
    floor_comes_first: bool = True
    unanswered_is_put_again: bool = True
    known_since_the_put_was_sent: bool = True
    refusal_after_doubt_is_checked: bool = True
    known_since_the_first_put: bool = True
    content_comes_first: bool = True
    named_content_is_read: bool = True
    reaper_reads_it_too: bool = True
    content_stays: bool = True
    content_covers_nothing: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """How much there is of what makes the search long."""

    commits: int = 3
    reads: int = 0
    ticks: int = 2
    lost: int = 0
    late: int = 0
    snapshots: int = 1
    replacements: int = 0


class Record(NamedTuple):
    """A record, and the commits that its writer knew. One that `replaces` names its content."""

    commit: int
    base: tuple[int, ...]
    replaces: bool = False


class Process(NamedTuple):
    """What a process does next, and what it knows.

    `taken` are the commits of its copy, `has` those that are its content, as it was replaced last;
    it `is_fresh` if that was the newest state in this tick.
    `found` are records that it has read and not yet believed, `in_time` if that was in this tick,
    or a put that is still to be checked.
    """

    step: str = "idle"
    taken: tuple[int, ...] = ()
    has: tuple[int, ...] = ()
    replaces: bool = False
    is_fresh: bool = False
    in_time: bool = False
    found: tuple[tuple[int, Record], ...] = ()
    commit: int = 0
    may_land: bool = False
    has_sent: bool = False
    then: str = ""
    left: int = 0
    promised_before: tuple[int, ...] = ()


class World(NamedTuple):
    """All that there is at one moment.

    `log` is the truth: of each number the record that was put first. `items` are those in the
    table, `floor` is what its item 0 says, `covered` what the newest snapshot has, and `content`
    what is in it. `ready` are the numbers and commits for which content lies ready. `seen` is up to
    where the reaper had seen the log, now, a tick ago, and so on. `late` is a put that is still in
    the network.
    """

    processes: tuple[Process, ...]
    log: tuple[Record, ...] = ()
    items: tuple[tuple[int, Record], ...] = ()
    floor: int = 0
    removing: int = 0
    covered: int = 0
    content: tuple[int, ...] = ()
    ready: tuple[tuple[int, int], ...] = ()
    seen: tuple[int, ...] = (0,) * (KEEP_TICKS + 1)
    late: tuple[tuple[int, Record], ...] = ()
    promised: tuple[int, ...] = ()
    refused: tuple[int, ...] = ()
    commits_left: int = 0
    ticks_left: int = 0
    lost_left: int = 0
    late_left: int = 0
    snapshots_left: int = 0
    replacements_left: int = 0

    def with_process(self, number: int, process: Process) -> Self:
        processes = (*self.processes[:number], process, *self.processes[number + 1 :])
        return self._replace(processes=processes)

    def a_tick_later(self) -> Self:
        return self._replace(
            processes=tuple(
                each._replace(is_fresh=False, in_time=False) for each in self.processes
            ),
            seen=(self.seen[0], *self.seen[:-1]),
            ticks_left=self.ticks_left - 1,
        )

    def item(self, number: int) -> Record | None:
        return dict(self.items).get(number)

    def put(self, number: int, record: Record) -> Self:
        """Return the world with an item. Only the first of the next number is the truth."""
        items = tuple(sorted({**dict(self.items), number: record}.items()))
        log = (*self.log, record) if number == len(self.log) + 1 else self.log
        return self._replace(items=items, log=log)

    def promising(self, commit: int) -> Self:
        return self._replace(promised=tuple(sorted({*self.promised, commit})))

    def laying(self, process: Process) -> Self:
        ready = {*self.ready, (len(process.taken) + 1, process.commit)}
        return self._replace(ready=tuple(sorted(ready)))

    def refusing(self, commit: int) -> Self:
        return self._replace(refused=tuple(sorted({*self.refused, commit})))


def content_of(records: Iterable[Record], before: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Return the commits of which something is in a database, behind these records."""
    for record in records:
        before = (record.commit,) if record.replaces else (*before, record.commit)
    return before


class Violation(Exception):
    """A state, or an answer, that must not be."""


def search(rules: Rules, limits: Limits) -> int:
    """Visit every state that can be reached. Return how many there are; Violation."""
    start = World(
        (Process(), Process(), Process("read idle", left=limits.reads), Process("reap")),
        commits_left=limits.commits,
        ticks_left=limits.ticks,
        lost_left=limits.lost,
        late_left=limits.late,
        snapshots_left=limits.snapshots,
        replacements_left=limits.replacements,
    )
    seen = {start}
    waiting = [start]
    while waiting:
        for following in _successors(waiting.pop(), rules):
            world = _alike(following)
            if world not in seen:
                _check(world)
                seen.add(world)
                waiting.append(world)
    return len(seen)


def _alike(world: World) -> World:
    """Return the same for two worlds that differ in which writer is which."""
    first, second, *others = world.processes
    return world if first <= second else world._replace(processes=(second, first, *others))


def _check(world: World) -> None:
    commits = tuple(record.commit for record in world.log)
    if len(set(commits)) < len(commits):
        raise Violation("a commit is in the log twice")
    if not set(world.promised) <= set(commits):
        raise Violation("a commit that was acknowledged or read is lost")
    if set(world.refused) & set(commits):
        raise Violation("a refused commit is in the log")
    for number, record in enumerate(world.log):
        if record.base != commits[:number]:
            raise Violation("a record was made on another state than that before it")
    _check_processes(world, commits)
    for number, record in enumerate(world.log, 1):
        if number > world.covered and world.item(number) != record:
            raise Violation("a record is gone, or replaced, and no snapshot has it")


def _check_processes(world: World, commits: tuple[int, ...]) -> None:
    for process in world.processes:
        if process.taken != commits[: len(process.taken)]:
            raise Violation("a process knows what is not the beginning of the log")
        if process.has != content_of(world.log[: len(process.taken)]):
            raise Violation("a copy has another content than the log at its place")


def _successors(world: World, rules: Rules) -> Iterator[World]:
    if world.ticks_left:
        yield world.a_tick_later()
    for number, process in enumerate(world.processes):
        yield from _STEPS[process.step](world, number, process, rules)
    for number, record in world.late:
        landed = world._replace(late=())
        is_free = world.item(number) is None or not rules.put_has_a_condition
        yield landed.put(number, record) if is_free else landed


def _idle(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Begin a write: with a question, or on what is known."""
    if world.commits_left:
        commit = world.commits_left
        writing = process._replace(commit=commit, may_land=False)
        begun = world._replace(commits_left=commit - 1)
        yield begun.with_process(number, writing._replace(step="put"))
        yield begun.with_process(number, writing._replace(step="ask", then="put"))
    if world.commits_left and world.replacements_left:
        begun = begun._replace(replacements_left=world.replacements_left - 1)
        replacing = writing._replace(replaces=True)
        yield begun.with_process(number, replacing._replace(step="ask", then="lay"))


def _lay(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Lay the content ready that the record is to name."""
    laid = world.laying(process) if rules.content_comes_first else world
    yield laid.with_process(number, process._replace(step="put"))


def _ask(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Query what is behind the copy. What is found is believed at once, or after the floor."""
    found = tuple(item for item in world.items if item[0] > len(process.taken))
    asked = process._replace(found=found, in_time=True)
    if found and not process.is_fresh and rules.reader_checks_the_floor:
        yield world.with_process(number, asked._replace(step="floor"))
    else:
        yield from _believe(world, number, asked, rules)


def _floor(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    if world.floor > len(process.taken):
        yield world.with_process(number, process._replace(step="anew", found=()))
    else:
        yield from _believe(world, number, process, rules)


def _believe(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    numbers = [each for each, _record in process.found]
    first = len(process.taken) + 1
    if numbers != list(range(first, first + len(numbers))):
        yield world.with_process(number, process._replace(step="anew", found=()))
        return
    replacements = [item for item in process.found if item[1].replaces]
    if replacements and rules.named_content_is_read:
        yield _begun_with(world, number, process, *replacements[-1])
        return
    taken = process.taken + tuple(record.commit for _number, record in process.found)
    has = process.has + tuple(record.commit for _number, record in process.found)
    known = process._replace(
        taken=taken, has=has, is_fresh=process.in_time, in_time=False, found=(), step=process.then,
        then="",
    )  # fmt: skip
    if process.then == "read done":
        if not set(process.promised_before) <= set(taken):
            raise Violation("a read misses what was acknowledged before it began")
        world = world._replace(promised=tuple(sorted({*world.promised, *taken})))
        known = known._replace(step="read idle", promised_before=())
    yield world.with_process(number, known)


def _begun_with(world: World, number: int, process: Process, place: int, record: Record) -> World:
    """Begin with the content that a record names, or with a snapshot that leads further."""
    if (place, record.commit) in world.ready:
        known = [each.commit for found, each in process.found if found <= place]
        taken = (*process.taken, *known)
        begun = process._replace(taken=taken, has=(record.commit,), is_fresh=False)
        return world.with_process(number, begun._replace(step="ask", found=(), in_time=False))
    if place > world.covered:
        raise Violation("the content that a record names is not there")
    return world.with_process(number, process._replace(step="anew", found=()))


def _anew(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Begin from the newest snapshot, of which nobody knows how long ago it was the newest."""
    taken = tuple(record.commit for record in world.log[: world.covered])
    begun = process._replace(taken=taken, has=world.content, is_fresh=False, step="ask")
    yield world.with_process(number, begun)


def _put(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    record = Record(process.commit, process.taken, process.replaces)
    place = len(process.taken) + 1
    again = process._replace(
        step="put" if rules.unanswered_is_put_again else "give up",
        in_time=process.in_time or not process.has_sent,
        has_sent=True,
    )
    if world.lost_left:
        lost = world._replace(lost_left=world.lost_left - 1)
        yield lost.with_process(number, again)
        done = _landed(lost, place, record, rules)
        yield done.with_process(number, again._replace(may_land=True))
    if world.late_left and not world.late:
        late = world._replace(late=((place, record),), late_left=world.late_left - 1)
        yield late.with_process(number, again._replace(may_land=True))
    if process.may_land:
        yield world.with_process(number, _given_up(process))
    winner = world.item(place)
    if winner is None or not rules.put_has_a_condition:
        yield from _committed(world.put(place, record), number, process, rules)
    elif winner.commit == process.commit and rules.own_record_is_known:
        yield from _committed(world, number, process, rules)
    elif process.may_land and not process.is_fresh and rules.refusal_after_doubt_is_checked:
        # It may have been put before, and removed since.
        yield world.with_process(number, process._replace(step="refused", found=((place, winner),)))
    else:
        yield _refused(world, number, process, (place, winner), rules)


def _refused_in_doubt(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    if world.floor > len(process.taken):
        yield world.with_process(number, _given_up(process._replace(found=())))
    else:
        (winner,) = process.found
        yield _refused(world, number, process._replace(found=()), winner, rules)


def _landed(world: World, place: int, record: Record, rules: Rules) -> World:
    is_free = world.item(place) is None or not rules.put_has_a_condition
    return world.put(place, record) if is_free else world


def _give_up(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """A planted bug: no answer is taken for a refusal."""
    yield world.refusing(process.commit).with_process(number, _given_up(process))


def _given_up(process: Process) -> Process:
    """The outcome is unknown. The next request begins with a question."""
    return process._replace(
        step="ask", then="idle", commit=0, replaces=False, may_land=False, has_sent=False,
        in_time=False,
    )  # fmt: skip


def _committed(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    in_time = process.in_time or not process.has_sent or not rules.known_since_the_first_put
    if not process.is_fresh and rules.writer_checks_the_floor:
        yield world.with_process(number, process._replace(step="first", in_time=in_time))
    else:
        yield _acknowledged(world, number, process, is_fresh=in_time)


def _first(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Check that the number had not been used before."""
    if world.floor > len(process.taken):
        yield world.with_process(number, _given_up(process))
    else:
        is_fresh = process.in_time or not rules.known_since_the_put_was_sent
        yield _acknowledged(world, number, process, is_fresh=is_fresh)


def _acknowledged(world: World, number: int, process: Process, *, is_fresh: bool) -> World:
    world = world.promising(process.commit)
    if process.replaces:
        # The copy has nothing of it yet.
        done = Process("ask", taken=process.taken, has=process.has, then="idle")
        return world.laying(process).with_process(number, done)
    taken, has = (*process.taken, process.commit), (*process.has, process.commit)
    done = Process("idle", taken=taken, has=has, is_fresh=is_fresh)
    return world.with_process(number, done)


def _refused(
    world: World, number: int, process: Process, winner: tuple[int, Record], rules: Rules
) -> World:
    """Take the winner's record, and run again: by a new commit, if there are any left."""
    taken, has = process.taken, process.has
    is_believed = process.is_fresh or not rules.stale_loser_believes_no_winner
    if is_believed and not winner[1].replaces:
        taken, has = (*taken, winner[1].commit), (*has, winner[1].commit)
    then = process._replace(
        step="idle", taken=taken, has=has, commit=0, replaces=False, may_land=False,
        has_sent=False, in_time=False,
    )  # fmt: skip
    return world.refusing(process.commit).with_process(number, then)


def _read_idle(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    if process.left:
        reading = process._replace(
            step="ask", then="read done", left=process.left - 1, promised_before=world.promised
        )
        yield world.with_process(number, reading)
    # It may have read long ago, and have a copy of then.
    if process.left and len(process.taken) < len(world.log):
        looking = process._replace(step="ask", then="read idle")
        yield world.with_process(number, looking)


def _reap(world: World, number: int, process: Process, rules: Rules) -> Iterator[World]:
    """Cover what is in the log by a snapshot, raise the floor, remove: each a step."""
    if world.covered < len(world.log) and world.snapshots_left:
        seen = (len(world.log), *world.seen[1:])
        behind = world.log[world.covered :]
        yield world._replace(
            covered=len(world.log),
            content=_merged(world, behind, rules),
            seen=seen,
            snapshots_left=world.snapshots_left - 1,
        )
    for place, commit in world.ready:
        if place <= world.covered or not rules.content_stays:
            others = tuple(each for each in world.ready if each != (place, commit))
            yield world._replace(ready=others)
    old = world.seen[-1] if rules.reaper_waits else world.seen[0]
    if not rules.content_covers_nothing:
        named = [place for place, commit in world.ready if _names(world, place, commit)]
        old = max(old, *named) if named else old
    floor = min(old, len(world.log) - (1 if rules.newest_stays else 0))
    if floor > world.removing:
        yield world._replace(
            removing=floor, floor=floor if rules.floor_comes_first else world.floor
        )
    if world.items and world.items[0][0] <= world.removing:
        left = world._replace(items=world.items[1:])
        if not left.items or left.items[0][0] > world.removing:
            left = left._replace(floor=world.removing)
        yield left


def _merged(world: World, behind: tuple[Record, ...], rules: Rules) -> tuple[int, ...]:
    """Return the content of the next snapshot; Violation where it cannot be made."""
    if not rules.reaper_reads_it_too:
        return world.content + tuple(record.commit for record in behind)
    for place, record in enumerate(behind, world.covered + 1):
        if record.replaces and (place, record.commit) not in world.ready:
            raise Violation("the content that a record names is not there")
    return content_of(behind, world.content)


def _names(world: World, place: int, commit: int) -> bool:
    return place <= len(world.log) and world.log[place - 1].commit == commit


Step = Callable[[World, int, Process, Rules], Iterator[World]]

_STEPS: dict[str, Step] = {
    "idle": _idle,
    "ask": _ask,
    "floor": _floor,
    "anew": _anew,
    "lay": _lay,
    "put": _put,
    "first": _first,
    "give up": _give_up,
    "refused": _refused_in_doubt,
    "read idle": _read_idle,
    "reap": _reap,
}
