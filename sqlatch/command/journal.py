"""The journal of a load, beside its file: a load that stopped goes on where it was."""

import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from sqlatch.kernel.values import Value

SUFFIX = ".sqlatch-load"

RESUMABLE_S = 4 * 86_400
"""The service knows a request again for 5 days, unless it is set otherwise: after that the one that
was on its way when the load stopped might be applied twice."""

FIELDS = {"key", "what", "at", "done", "sent"}

LOCK_SUFFIX = ".lock"


class CannotResume(Exception):
    """There is a load to go on with, and it cannot be; says why."""


@dataclass(slots=True)
class Done:
    """The rows that a database has acknowledged, or was sent: their number and a digest."""

    rows: int = 0
    digest: str = ""


@dataclass(slots=True)
class Journal:
    """The key of a load, and how far each database is. Threads share it.

    `sent` is how far a database is if it applied the block that it was sent last, and whose answer
    has not come.
    """

    path: Path
    key: str
    what: list[Any]
    done: dict[str, Done] = field(default_factory=dict)
    sent: dict[str, Done] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, url: str, after: Done) -> None:
        """Remember that a block is on its way to a database, before it is sent."""
        with self._lock:
            self.sent[url] = after
            self.write()

    def acknowledge(self, url: str, done: Done) -> None:
        """Remember that these rows are in a database."""
        with self._lock:
            self.done[url] = done
            self.sent.pop(url, None)
            self.write()

    def refuse(self, url: str) -> None:
        """Remember that the block that was sent to a database left nothing there."""
        with self._lock:
            del self.sent[url]
            self.write()

    def write(self) -> None:
        said = {
            "key": self.key,
            "what": self.what,
            "at": time.time(),
            "done": {url: [done.rows, done.digest] for url, done in self.done.items()},
            "sent": {url: [sent.rows, sent.digest] for url, sent in self.sent.items()},
        }
        # Renamed into its place: a load that is killed leaves the old one or the new one.
        begun = self.path.with_name(f"{self.path.name}.tmp")
        begun.write_text(json.dumps(said))
        os.replace(begun, self.path)  # noqa: PTH105 (says that it replaces)

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def journal_of(file: Path, what: list[Any], *, restart: bool) -> Journal:
    """Open the journal of a load of `file`, or begin one; CannotResume if it is of another load.

    `what` says what is loaded and where, and must be the same.
    """
    path = file.with_name(file.name + SUFFIX)
    if restart or not path.exists():
        return Journal(path, str(uuid4()), what)
    try:
        said = json.loads(path.read_bytes())
        if said.keys() != FIELDS:
            raise ValueError("other fields")
        done, sent = (
            {url: Done(int(rows), str(digest)) for url, (rows, digest) in said[name].items()}
            for name in ("done", "sent")
        )
        is_old = time.time() - said["at"] > RESUMABLE_S
    except (ValueError, TypeError, AttributeError) as error:
        raise CannotResume(f"{path} cannot be read: {error}") from error
    if said["what"] != what:
        raise CannotResume(f"{path} is of another load: into {', '.join(said['done'])}")
    if is_old:
        raise CannotResume(
            f"{path} is of a load that stopped more than {RESUMABLE_S // 86_400} days ago, and"
            " its last request may or may not be there"
        )
    return Journal(path, said["key"], what, done, sent)


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Keep every other load of the file away; CannotResume if there is one."""
    path = file.with_name(file.name + SUFFIX + LOCK_SUFFIX)
    with ExitStack() as stack:
        while True:
            lock = stack.enter_context(path.open("a"))
            try:
                _lock(lock)
            except (BlockingIOError, PermissionError) as error:
                raise CannotResume(f"another load of {file} is running") from error
            # The one before may have removed the file between its opening and its locking.
            with suppress(FileNotFoundError):
                if path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                    break
        try:
            yield
        finally:
            if sys.platform == "win32":
                lock.close()  # A file that is open cannot be removed there.
            with suppress(PermissionError):  # Another load has opened it meanwhile.
                path.unlink()


def _lock(file: IO[str]) -> None:
    """Lock a file until it is closed, or this process ends."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Digest:
    """A digest of rows in their order."""

    def __init__(self) -> None:
        self._hash = sha256()

    def copy(self) -> "Digest":
        other = Digest()
        other._hash = self._hash.copy()
        return other

    def add(self, values: Iterable[Value]) -> None:
        self._hash.update(repr(values).encode())

    def text(self) -> str:
        return self._hash.hexdigest()
