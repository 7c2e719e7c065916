"""A directory after a power cut: for each file what was synced, and what was not yet."""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Protocol

from tests.journal import JOURNAL_MAGIC

SECTOR_BYTES = 512
"""What a disk writes whole or not at all."""

Content = bytearray | None
Image = dict[str, bytes]
"""A directory: the content of each file, by its name."""


class Crash(BaseException):
    """The process is gone: every operation from the crash on raises this and does nothing."""


@dataclass(slots=True)
class Fuse:
    """Counts the operations that change something, and crashes at one of them."""

    blows_at: int | None = None
    steps: int = 0
    blown: bool = False

    def step(self) -> None:
        """One more operation, which is not to happen if this raises."""
        if not self.blown:
            self.steps += 1
            self.blown = self.steps == self.blows_at
        if self.blown:
            raise Crash


class Change(Protocol):
    """A change of one file that was not synced yet."""

    def apply(self, content: Content) -> Content: ...


@dataclass(frozen=True, slots=True)
class Create:
    def apply(self, content: Content) -> Content:
        return bytearray() if content is None else content


@dataclass(frozen=True, slots=True)
class Delete:
    def apply(self, content: Content) -> Content:
        del content
        return None


ENTRIES = (Create, Delete)


@dataclass(frozen=True, slots=True)
class Truncate:
    size: int

    def apply(self, content: Content) -> Content:
        content = bytearray() if content is None else content
        del content[self.size :]
        content.extend(bytes(self.size - len(content)))
        return content


@dataclass(frozen=True, slots=True)
class Write:
    offset: int
    data: bytes

    def apply(self, content: Content) -> Content:
        content = bytearray() if content is None else content
        content.extend(bytes(max(0, self.offset - len(content))))
        content[self.offset : self.offset + len(self.data)] = self.data
        return content

    def torn(self, sectors: int) -> "Write":
        """The part of the change that has happened when so many of its sectors are written."""
        aligned = self.offset - self.offset % SECTOR_BYTES + sectors * SECTOR_BYTES
        return Write(self.offset, self.data[: max(0, aligned - self.offset)])


@dataclass(slots=True)
class _File:
    durable: bytes | None
    pending: list[Change] = field(default_factory=list)


class Disk:
    """One directory whose changes happen at once, and last only once they are synced."""

    def __init__(self, directory: Path, fuse: Fuse) -> None:
        self.directory = directory
        self.fuse = fuse
        self.in_flight: tuple[str, Change] | None = None
        self._files = {name: _File(content) for name, content in image_of(directory).items()}

    def tracked(self, path: Path) -> str | None:
        return path.name if path.parent == self.directory else None

    def change(self, name: str, change: Change) -> None:
        """Note a change before it happens, or crash in its midst."""
        try:
            self.fuse.step()
        except Crash:
            self.in_flight = self.in_flight or (name, change)
            raise
        self._files.setdefault(name, _File(None)).pending.append(change)

    def sync(self, name: str) -> None:
        """Sync the file: its changes so far last from now on."""
        self.fuse.step()
        file = self._files[name]
        file.durable = _after(file.durable, file.pending)
        file.pending.clear()

    def sync_directory(self) -> None:
        """Which files there are lasts from now on; what is in them does not."""
        self.fuse.step()
        for file in self._files.values():
            entries = [n for n, change in enumerate(file.pending) if isinstance(change, ENTRIES)]
            if entries:
                file.durable = None if isinstance(file.pending[entries[-1]], Delete) else b""
                del file.pending[: entries[-1] + 1]

    def end(self) -> None:
        """The process is dead, and its files are closed: nothing of that reaches the disk."""

    def left(self) -> Image:
        """What is there as if all was kept."""
        image = image_of(self.directory)
        assert self.image(kept) == image, "the disk does not know of a change"
        return image

    def images(self, seeds: Iterable[int]) -> Iterator[tuple[str, Image]]:
        """What the crash leaves, in each way."""
        ways: dict[str, Choice] = {"kept": kept, "torn": torn, "dropped": dropped}
        ways |= {f"in part, seed {seed}": in_part(seed) for seed in seeds}
        return ((way, self.image(choose)) for way, choose in ways.items())

    def image(self, choose: "Choice") -> Image:
        """The directory as the crash leaves it, where `choose` says what happened of the rest."""
        files = {name: list(file.pending) for name, file in self._files.items()}
        if self.in_flight is not None:
            name, change = self.in_flight
            files.setdefault(name, []).append(_Half(change))
        image = {}
        for name, changes in sorted(files.items()):
            file = self._files.get(name, _File(None))
            content = _after(file.durable, choose(changes))
            if content is not None:
                image[name] = content
        return image


@dataclass(frozen=True, slots=True)
class _Half:
    """The operation in the midst of which the crash came: a write may have been half done."""

    change: Change

    def apply(self, content: Content) -> Content:
        if isinstance(self.change, Write):
            half = Write(self.change.offset, self.change.data[: len(self.change.data) // 2])
            return half.apply(content)
        return content


Choice = Callable[[list[Change]], Iterator[Change]]
"""Which of the changes that were not synced have happened."""


def kept(changes: list[Change]) -> Iterator[Change]:
    """All of them: the process was killed, the machine goes on."""
    return (change for change in changes if not isinstance(change, _Half))


def torn(changes: list[Change]) -> Iterator[Change]:
    """All of them, and half of the write in the midst of which the crash came."""
    return iter(changes)


def dropped(changes: list[Change]) -> Iterator[Change]:
    """None of them: the machine lost its power, and its cache."""
    del changes
    return iter(())


def in_part(seed: int) -> Choice:
    """Some of them, in any order that a cache may choose, single sectors of some."""
    random = Random(seed)

    def choose(changes: list[Change]) -> Iterator[Change]:
        for change in changes:
            fate = random.random()
            if fate < 0.4:
                yield change
            elif fate < 0.6 and isinstance(change, Write):
                yield change.torn(random.randint(1, 1 + len(change.data) // SECTOR_BYTES))

    return choose


def image_of(directory: Path) -> Image:
    """The files of a directory."""
    with os.scandir(directory) as entries:
        return {entry.name: Path(entry.path).read_bytes() for entry in entries}


def put_image(directory: Path, image: Image) -> None:
    """Make the directory hold these files and no other."""
    for name in image_of(directory).keys() - image.keys():
        (directory / name).unlink()
    for name, content in image.items():
        (directory / name).write_bytes(content)


def is_torn(image: Image) -> bool:
    """Return whether there is a hot journal."""
    return image.get("main.db-journal", b"").startswith(JOURNAL_MAGIC)


def _after(content: bytes | None, changes: "list[Change] | Iterator[Change]") -> bytes | None:
    after: Content = None if content is None else bytearray(content)
    for change in changes:
        after = change.apply(after)
    return None if after is None else bytes(after)
