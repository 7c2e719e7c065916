"""A shared directory that loses its power: which names and contents are on its disk by then.

What is there: a write to a descriptor with O_DSYNC, all of a file that a sync came behind, and no
name without the sync of its directory.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.faults.disk import SECTOR_BYTES, Change, Image, Truncate, Write
from tests.faults.log_images import content_of, stored


@dataclass(slots=True)
class Node:
    """A file, by whatever names it has: what is on the disk, and what is on its way there."""

    durable: bytes = field(default_factory=lambda: stored(b"", 0))
    pending: list[Change] = field(default_factory=list)

    def sync(self) -> None:
        self.durable = after(self.durable, self.pending)
        self.pending = []


Entries = dict[str, Node | None]
"""Names that come, each with its file, and names that go; "x/" is a directory."""


class Shared:
    """The shared directory: which names and contents are on the disk."""

    def __init__(self, image: Image) -> None:
        self._names = {path: Node(file) for path, file in image.items()}
        self._durable = dict(self._names)
        self._pending: list[tuple[set[str], Entries]] = []

    def enter(self, entries: Entries) -> None:
        """Change names, all at once."""
        directories = {_directory_of(name) for name in entries}
        self._pending.append((directories, entries))
        _apply(entries, self._names)

    def node(self, name: str) -> Node:
        return self._names[name]

    def has(self, name: str) -> bool:
        return name in self._names

    def sync_directory(self, directory: str) -> None:
        for directories, entries in self._pending:
            if directory in directories:
                _apply(entries, self._durable)
        self._pending = [each for each in self._pending if directory not in each[0]]

    def image(self, seed: int | None) -> Image:
        """What a power cut leaves: what is on the disk, and of the rest what that seed says.

        None: nothing of the rest.
        """
        random = Random(seed)

        def happens() -> bool:
            return seed is not None and random.random() < 0.5

        names = dict(self._durable)
        for _directories, entries in self._pending:
            if happens():
                _apply(entries, names)
        return {
            name: after(node.durable, [_in_part(c, random) for c in node.pending if happens()])
            for name, node in sorted(names.items())
            if all(f"{parent}/" in names for parent in list(Path(name).parents)[:-2])
        }

    def all(self) -> Image:
        return {name: after(node.durable, node.pending) for name, node in self._names.items()}


def _directory_of(name: str) -> str:
    return f"{Path(name).parent}/"


def _apply(entries: Entries, names: dict[str, Node]) -> None:
    for name, node in entries.items():
        if node is None:
            names.pop(name, None)
        else:
            names[name] = node


def after(file: bytes, changes: Sequence[Change]) -> bytes:
    """Apply changes to a file, whose hole they leave as it is."""
    if not changes:
        return file
    content, length = content_of(file)
    changed = bytearray(content)
    for change in changes:
        if isinstance(change, Write):
            changed.extend(bytes(max(0, change.offset - len(changed))))
            changed[change.offset : change.offset + len(change.data)] = change.data
            length = max(length, change.offset + len(change.data))
        elif isinstance(change, Truncate):
            del changed[change.size :]
            length = change.size
    return stored(bytes(changed), length)


def _in_part(change: Change, random: Random) -> Change:
    """Return a change, of which a write may have reached only some sectors."""
    if isinstance(change, Write) and random.random() < 0.5:
        return change.torn(random.randint(0, 1 + len(change.data) // SECTOR_BYTES))
    return change
