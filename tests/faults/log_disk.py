"""A log and the copies of it after a crash: what the same machine finds, what another one finds,
and what is left when the power of the shared directory fails.
"""

import fcntl
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from storage.log.bookmark import CRC, LAYOUT, Bookmark
from tests.faults.calls import hooked
from tests.faults.disk import Change, Crash, Fuse, Image, Truncate, Write
from tests.faults.log_images import COPIES, SHARED, content_of, image_of, part_of, stored
from tests.faults.shared_disk import Entries, Node, Shared, after
from tests.faults.vfs import CrashingVFS, running_on

SCRIBBLED = b"not what was written"
BOOT = slice(LAYOUT.size - 32, LAYOUT.size - 16)
"""Where the bookmark of a copy says of which boot it is."""


Call = Callable[..., Any]


class LogDisk:
    """The directory of a log and of its copies. `steps` are the calls that change something."""

    def __init__(self, directory: Path, _fuse: Fuse | None = None) -> None:
        self.directory = directory
        self.fuse = _Shutter(self._photograph)
        self._left: Image = {}
        self._in_flight: tuple[str, Change] | None = None
        self._streams: set[str] = set()
        self._shared = Shared(part_of(image_of(directory), f"{SHARED}/"))

    @contextmanager
    def running(self, seed: float) -> Iterator[CrashingVFS]:
        """Have every call of an engine in the block stand on this disk.

        The same seed draws the same numbers, so that a crash at the next call leaves the same.
        """
        random = Random(seed)
        write_bookmark = Bookmark._write

        def write(bookmark: Bookmark) -> None:
            self._step(None)
            write_bookmark(bookmark)

        with running_on(self) as vfs, hooked(self._call) as patched:
            patched.setattr(Bookmark, "_write", write)
            patched.setattr(os, "urandom", random.randbytes)
            for module in (sys.modules[name] for name in ("storage.log.chain", "storage.log.store",
                           "storage.log.durable", "storage.log.engine")):  # fmt: skip
                patched.setattr(module.os, "urandom", random.randbytes)
            yield vfs

    def end(self) -> None:
        """What is done from here on is what the operating system does behind a process."""
        if not self._left:
            self._photograph()
        self.fuse.is_over = True

    def left(self) -> Image:
        """What the same machine finds."""
        return self._left

    def images(self, seeds: Iterable[int]) -> Iterator[tuple[str, Image]]:
        """What the crash leaves, in each way."""
        half = self._half_done()
        yield "the same machine", self._left
        yield "the same machine, in mid call", half
        yield "another machine", part_of(half, f"{SHARED}/")
        old = _of_another_boot(part_of(self._left, f"{COPIES}/"))
        yield "after a power cut", self._shared.image(None) | old
        if self._in_flight is not None and self._shared.has(self._in_flight[0]):
            self._shared.node(self._in_flight[0]).pending.append(self._in_flight[1])
        for seed in seeds:
            yield f"after a power cut, in part, seed {seed}", self._shared.image(seed) | old

    def tracked(self, path: Path) -> str | None:
        """The name of a file of this directory, for SQLite's file system."""
        return str(path.relative_to(self.directory)) if self.directory in path.parents else None

    def change(self, name: str, change: Change) -> None:
        self._step((name, change))

    def sync(self, _name: str) -> None:
        """A copy is never synced: it is of this boot only."""

    def sync_directory(self) -> None:
        """Likewise."""

    def _step(self, in_flight: "tuple[str, Change] | None") -> None:
        if not self.fuse.blown:
            self._in_flight = in_flight
        self.fuse.step()
        self._in_flight = None

    def _photograph(self) -> None:
        self.fuse.is_over = True
        self._left = image_of(self.directory)
        self.fuse.is_over = False
        assert self._shared.all() == part_of(self._left, f"{SHARED}/"), "a change was not seen"

    def _half_done(self) -> Image:
        name, write = self._in_flight or ("", None)
        if not isinstance(write, Write):
            return self._left
        half = Write(write.offset, write.data[: len(write.data) // 2])
        return {**self._left, name: after(self._left[name], [half])}

    def _call(self, call_name: str, call: Call, *arguments: Any, **named: Any) -> Any:
        if self.fuse.is_over:
            return call(*arguments, **named)
        if self.fuse.blown:
            raise Crash
        note = getattr(self, f"_{call_name}", None)
        return call(*arguments, **named) if note is None else note(call, *arguments, **named)

    def _open(self, call: Call, path: Any, flags: int, *mode: int) -> int:
        name = self._name(path)
        if name is None or not flags & os.O_CREAT or Path(path).exists():
            return int(call(path, flags, *mode))
        self._step(None)
        descriptor = int(call(path, flags, *mode))
        self._enter({name: Node()})
        return descriptor

    def _pwrite(self, call: Call, descriptor: int, content: bytes, offset: int) -> int:
        written = self._written(descriptor, Write(offset, bytes(content)))
        count = int(call(descriptor, content, offset))
        self._note(descriptor, written)
        return count

    def _pwritev(self, call: Call, descriptor: int, run: list[bytes], offset: int) -> int:
        written = self._written(descriptor, Write(offset, b"".join(run)))
        count = int(call(descriptor, run, offset))
        self._note(descriptor, written)
        return count

    def _ftruncate(self, call: Call, descriptor: int, size: int) -> None:
        self._step(None)
        call(descriptor, size)
        if node := self._node_of(descriptor):
            node.pending.append(Truncate(size))

    _truncate = _ftruncate

    def _posix_fallocate(self, call: Call, *arguments: int) -> None:
        self._step(None)
        call(*arguments)

    def _fsync(self, call: Call, descriptor: int) -> None:
        node = self._node_of(descriptor)
        name = self._name(_path_of(descriptor))
        if node is not None and not node.pending and name in self._streams:
            # What was written to it by a stream of Python's, since it was opened.
            self._streams.remove(name)
            node.pending.append(Write(0, Path(_path_of(descriptor)).read_bytes()))
        self._step(None)
        call(descriptor)
        if node is not None:
            node.sync()
        elif name is not None:
            self._shared.sync_directory(f"{name}/")

    def _link(self, call: Call, source: Any, target: Any) -> None:
        self._step(None)
        call(source, target)
        self._enter({self._known(target): self._shared.node(self._known(source))})

    def _path_mkdir(self, call: Call, path: Path, *arguments: Any, **named: Any) -> None:
        name = self._name(path)
        if name is None or path.exists():
            call(path, *arguments, **named)
            return
        self._step(None)
        call(path, *arguments, **named)
        self._enter({f"{name}/": Node(b"")})

    def _path_unlink(self, call: Call, path: Path, **named: Any) -> None:
        name = self._name(path)
        if name is None or not path.exists():
            call(path, **named)
            return
        self._step(None)
        call(path, **named)
        self._enter({name: None})

    def _path_rename(self, call: Call, path: Path, target: Path) -> Path:
        name = self._name(path)
        if name is None:
            return Path(call(path, target))
        self._step(None)
        moved = call(path, target)
        self._enter({self._known(target): self._shared.node(name), name: None})
        return Path(moved)

    _path_replace = _path_rename

    def _path_open(self, call: Call, path: Path, mode: str = "r", *rest: Any, **named: Any) -> Any:
        name = self._name(path)
        if name is None or "x" not in mode:
            return call(path, mode, *rest, **named)
        self._step(None)
        opened = call(path, mode, *rest, **named)
        self._enter({name: Node()})
        self._streams.add(name)
        return opened

    def _enter(self, entries: Entries) -> None:
        if all(name.startswith(f"{SHARED}/") for name in entries):
            self._shared.enter(entries)

    def _written(self, descriptor: int, write: Write) -> Write:
        name = self._name(_path_of(descriptor))
        self._step(None if name is None else (name, write))
        return write

    def _note(self, descriptor: int, write: Write) -> None:
        """Note a write of which it is not looked at whether it was cut short."""
        if node := self._node_of(descriptor):
            node.pending.append(write)
            if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DSYNC:
                node.sync()

    def _node_of(self, descriptor: int) -> Node | None:
        name = self._name(_path_of(descriptor))
        return self._shared.node(name) if name is not None and self._shared.has(name) else None

    def _known(self, path: Any) -> str:
        name = self._name(path)
        assert name is not None
        return name

    def _name(self, path: Any) -> str | None:
        path = Path(path)
        return str(path.relative_to(self.directory)) if self.directory in path.parents else None


class _Shutter(Fuse):
    """A fuse that takes a picture of what is there when it blows."""

    def __init__(self, photograph: Callable[[], None]) -> None:
        super().__init__()
        self._photograph = photograph
        self.is_over = False

    def step(self) -> None:
        was_blown = self.blown
        if self.is_over:
            return
        try:
            super().step()
        except Crash:
            if not was_blown:
                self._photograph()
            raise


def _path_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


def _of_another_boot(copies: Image) -> Image:
    """Copies that were written before a power cut: nothing in them was ever synced."""
    old = {}
    for name, file in copies.items():
        content, length = content_of(file)
        whole = content.ljust(length, b"\0")
        if name.endswith("/pos"):
            before = whole[: BOOT.start] + bytes(BOOT.stop - BOOT.start)
            packed = before + whole[BOOT.stop : LAYOUT.size]
            whole = packed + CRC.pack(crc32(packed))
        elif name.endswith("/db"):
            whole = SCRIBBLED.ljust(length, b"\xff")[:length]
        old[name] = file if name.endswith("/") else stored(whole, length)
    return old
