"""The file in which the processes of a node find who leads, and whether it is their own node.

The process that keeps the lease writes it; all others have it mapped, so that a write asks nobody.
"""

import fcntl
import hashlib
import json
import mmap
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

from sqlatch.kernel.errors import StorageError

if TYPE_CHECKING:
    from locking.leader import Term

SIZE = 2_048
HEAD = struct.Struct("<II")
"""The CRC-32 of the content behind it, and its length: a reader may come in the middle of a write.
"""
TRIES_MAX = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """The leader that the node has seen last; the term is its own until then.

    Times `_boot_s` are those of `Clock.boot`, others epoch seconds. The own term ends by the clock
    that is further: one stands while a machine is frozen, the other may be set back.
    """

    seen_boot_s: float = 0.0
    node: str = ""
    number: int = 0
    version: str = ""
    since_s: float = 0.0
    renewed_s: float = 0.0
    duration_s: float = 0.0
    until_boot_s: float = 0.0
    until_s: float = 0.0
    steps_down: bool = False
    resigned_until_boot_s: float = 0.0


def standing_of(term: "Term") -> Standing:
    """Return the standing of a node that has seen the term of another."""
    return Standing(
        node=term.node,
        number=term.number,
        version=term.version,
        since_s=term.since_s,
        renewed_s=term.renewed_s,
        duration_s=term.duration_s,
    )


class StandingFile:
    """The file of one node. Threads may share it."""

    def __init__(self, directory: Path, node: str) -> None:
        home = directory / f"sqlatch-{os.getuid()}"
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        if home.stat().st_uid != os.getuid():
            raise PermissionError(1, "belongs to another user", str(home))
        path = home / f"{hashlib.sha256(node.encode()).hexdigest()[:16]}.leader"
        self._lock_path = path.with_suffix(".lock")
        self._writes_path = path.with_suffix(".writes")
        self._boot = Path("/proc/sys/kernel/random/boot_id")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # A store into a hole of a map ends the process (SIGBUS) when the disk is full.
            os.posix_fallocate(descriptor, 0, SIZE)
            self._map = mmap.mmap(descriptor, SIZE)
        finally:
            os.close(descriptor)
        self._boot_id = ""
        with suppress(OSError):
            self._boot_id = self._boot.read_text().strip()

    def read(self) -> Standing:
        """Return what was written last on this boot of the machine."""
        for _try in range(TRIES_MAX):
            checksum, length = HEAD.unpack_from(self._map)
            content = self._map[HEAD.size : HEAD.size + length]
            if length and crc32(content) == checksum:
                boot_id, fields = json.loads(content)
                return Standing(**fields) if boot_id == self._boot_id else Standing()
        return Standing()

    def write(self, standing: Standing) -> None:
        """Tell all processes; inside `locked` only."""
        content = json.dumps([self._boot_id, asdict(standing)]).encode()
        self._map[: HEAD.size + len(content)] = HEAD.pack(crc32(content), len(content)) + content

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else change what is known, or the lease itself, in the name of this node."""
        with _lock(self._lock_path, fcntl.LOCK_EX):
            yield

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A write of this node, inside; BlockingIOError while the node steps down."""
        with _lock(self._writes_path, fcntl.LOCK_SH | fcntl.LOCK_NB):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No write of this node, inside; BlockingIOError while there is one."""
        with _lock(self._writes_path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield


@contextmanager
def _lock(path: Path, kind: int) -> Iterator[None]:
    """A lock that ends with its process too; StorageError if its file cannot be opened."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StorageError(
            f"the directory of the copies: {error.strerror}: {path}", errno=error.errno
        ) from error
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)
