"""The files that stand for the log: snapshots of a database, and what came after each.

    DIRECTORY/9/0000000000000001-<last>.ltx   snapshots, literal: a page lies at a computable place
    DIRECTORY/1/<first>-<last>.ltx            the pages that these transactions changed, each once

It is the layout of a Litestream replica, and `litestream restore` reads it. The levels between hold
files of the level below, merged. A file under its name is whole and never changed. Its time is that
of its last transaction.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from sqlatch.kernel import nfs
from storage.log.durable import ARRIVING, BUFFER_BYTES, delete, storage_errors, sync, write_whole
from storage.log.log import HISTORY_S
from storage.log.ltx import Header
from storage.log.reading import FileRanges, Ranges

if TYPE_CHECKING:
    from storage.log.pack import Packs

SNAPSHOT_LEVEL = 9

HISTORY = "history"
"""The directory of the packs."""

PAGE_BYTES_MIN = 512
"""A snapshot that has a page is longer."""

ARRIVING_BASE = "base-"
"""The beginning of the directory in which a snapshot lies ready; its name comes behind."""

LIES_READY_S = float("inf")
"""The time of a snapshot that is used where it lies ready. It makes no record needless: who comes
new finds it by that of its own."""

_NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.ltx")


@dataclass(frozen=True, slots=True)
class LtxFile:
    """A file of transactions `first` to `last`.

    `at_ms` is when the last of them was made, or, of a file in a bucket, when it was written.
    """

    path: Path
    level: int
    first: int
    last: int
    size_bytes: int
    at_ms: int
    written_s: float

    @property
    def lies_ready(self) -> bool:
        return self.written_s == LIES_READY_S

    @property
    def holds_nothing(self) -> bool:
        """Return whether it is the snapshot that a deletion leaves, which has no page."""
        return self.level == SNAPSHOT_LEVEL and self.size_bytes < PAGE_BYTES_MIN

    def made_ms(self) -> int:
        """Return when its last transaction was made."""
        return self.at_ms

    def open(self) -> BinaryIO:
        """Open the file, to be read from its beginning to its end."""
        return self.path.open("rb", buffering=BUFFER_BYTES)

    def ranges(self) -> Ranges:
        """Open the file, to be read anywhere."""
        return FileRanges(self.path)


@dataclass(frozen=True, slots=True)
class Old:
    """A file that has some of a new one's bytes, at the same places.

    `is_same` says whether it has all from one offset up to another. It is asked for one range after
    the other, when the new file's content is known up to there.
    """

    file: LtxFile
    is_same: Callable[[int, int], bool]


@dataclass(frozen=True)
class Start:
    """A snapshot and the files that continue it, in order: the state after `last`."""

    snapshot: LtxFile
    tail: tuple[LtxFile, ...]

    @cached_property
    def last(self) -> int:
        return self.tail[-1].last if self.tail else self.snapshot.last


class Archive:
    """The files of one database. StorageError where the directory does not answer.

    `check` is called before each piece of a file that is written, and may raise to give it up. Each
    commit can be read for `history_s`; with 0 only the states of the files.
    """

    def __init__(
        self,
        directory: Path,
        check: Callable[[], None] = lambda: None,
        *,
        history_s: float = HISTORY_S,
    ) -> None:
        self.directory = directory
        self.history_s = history_s
        self._above: tuple[Path, ...] = (directory, directory.parent)
        """The directories that a level, or what holds it, may be new in, the nearest first."""
        self._check = check

    def files(self) -> list[LtxFile]:
        """Return every file, level by level, in the order of their transactions."""
        with storage_errors():
            found = [file for level in self._levels() for file in _listed(level)]
        return sorted(found, key=lambda file: (file.level, file.last, file.first))

    def snapshots(self) -> list[LtxFile]:
        """Return the snapshots, oldest first."""
        return [file for file in self.files() if file.level == SNAPSHOT_LEVEL]

    def start(self, among: Callable[[LtxFile], bool] = lambda _file: True) -> Start | None:
        """Return the newest snapshot and what continues it, of some of the files or of all.

        None: there is no snapshot.
        """
        return start_among([file for file in self.files() if among(file)])

    def start_up_to(self, position: int) -> Start | None:
        """Return the snapshot and what continues it that lead furthest, and not past a position."""
        return self.start(lambda file: file.last <= position)

    def start_of(self, base: bytes) -> Start | None:
        """Return the start; before, take in the snapshot of that name, if its maker has died."""
        if base:
            self.adopt(base)
        return self.start()

    @cached_property
    def packs(self) -> "Packs":
        """The records themselves, for the states between those of the files."""
        from storage.log.pack import Packs

        return Packs(self.directory / HISTORY)

    def put(
        self, level: int, header: Header, pieces: Iterable[bytes], _old: Old | None = None
    ) -> LtxFile:
        """Write a file, durably. One that is there already is kept: someone may be reading it.

        What is the same in an old file need not be sent, where the place can copy it.
        """
        path = self._path(level, header)
        with storage_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, self._checked(pieces), at_ms=header.at_ms)
            for directory in (path.parent, *self._above):
                sync(directory)
            return _file(path)

    def _checked(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._check()
            yield piece

    def arriving(self, base: bytes) -> "Archive":
        """Return where the snapshot of that name lies until a log goes on behind it."""
        arriving = Archive(self.directory / f"{ARRIVING_BASE}{base.hex()}", self._check)
        arriving._above = (arriving.directory, *self._above)
        return arriving

    def of(self, database: str) -> "Archive":
        """Return the files of another database, which lie beside these."""
        home = self.directory.parents[1]
        return Archive(home / database / self.directory.name, history_s=self.history_s)

    def adopt(self, base: bytes) -> None:
        """Take such a snapshot in: its log is there. Whoever misses it may ask, once or twice."""
        with storage_errors():
            for level in self.arriving(base)._levels():
                (self.directory / level.name).mkdir(exist_ok=True)
                for path in level.iterdir():
                    with suppress(FileNotFoundError):
                        path.rename(self.directory / level.name / path.name)
                for directory in (self.directory / level.name, *self._above):
                    sync(directory)

    def discard(self, base: bytes) -> None:
        """Remove such a snapshot: no log goes on behind it, nor will."""
        import shutil

        shutil.rmtree(self.arriving(base).directory, ignore_errors=True)

    @contextmanager
    def opened(self, files: Iterable[LtxFile]) -> Iterator[list[BinaryIO]]:
        """Open files for reading, all at once: another instance may delete them then."""
        with ExitStack() as stack:
            with storage_errors():
                streams = [stack.enter_context(file.open()) for file in files]
            yield streams

    def delete(self, files: Iterable[LtxFile]) -> None:
        """Delete files, the oldest first. Some may be gone."""
        with storage_errors():
            for file in sorted(files, key=lambda file: file.last):
                file.path.unlink(missing_ok=True)

    def delete_unfinished(self, written_by_s: float) -> None:
        """Delete what was left by a process that died while it wrote, or lost a race for a name.

        A snapshot that is to be taken in is kept as long as a log may still go on behind it: until
        other files lead as far.
        """
        with storage_errors():
            homes = [*self._levels(), self.directory / HISTORY]
            left = [path for home in homes for path in home.glob(f".*{ARRIVING}")]
            if (start := self.start()) is not None:
                lying_ready = self.directory.glob(f"{ARRIVING_BASE}*")
                left += [base for base in lying_ready if _is_passed(base, start.last)]
            for path in left:
                with suppress(FileNotFoundError):  # it has its name, or another deleted it
                    if path.stat().st_ctime <= written_by_s:
                        delete(path)

    def _levels(self) -> list[Path]:
        try:
            nfs.open_directory(self.directory)
            return [path for path in self.directory.iterdir() if re.fullmatch("[1-9]", path.name)]
        except FileNotFoundError:
            return []

    def _path(self, level: int, header: Header) -> Path:
        return self.directory / str(level) / f"{header.first:016x}-{header.last:016x}.ltx"


def start_among(files: list[LtxFile]) -> Start | None:
    """Return the newest snapshot among files, and what continues it."""
    snapshots = [file for file in files if file.level == SNAPSHOT_LEVEL]
    if not snapshots:
        return None
    newest = snapshots[-1]
    return Start(newest, tuple(_continuing(newest.last, files)))


def _listed(level: Path) -> Iterator[LtxFile]:
    nfs.open_directory(level)
    for path in level.iterdir():
        if _NAME.fullmatch(path.name):
            try:
                yield _file(path)
            except FileNotFoundError:
                continue  # deleted meanwhile


def _file(path: Path) -> LtxFile:
    first, last = (int(part, 16) for part in path.stem.split("-"))
    found = path.stat()
    return LtxFile(
        path=path,
        level=int(path.parent.name),
        first=first,
        last=last,
        size_bytes=found.st_size,
        at_ms=found.st_mtime_ns // 1_000_000,
        written_s=found.st_ctime,
    )


def _continuing(last: int, files: Iterable[LtxFile]) -> Iterator[LtxFile]:
    """Yield the file that leads furthest from the state after `last`, and so on from there."""
    left = [file for file in files if file.level < SNAPSHOT_LEVEL and file.last > last]
    while left:
        fitting = [file for file in left if file.first <= last + 1]
        if not fitting:
            return
        furthest = max(fitting, key=lambda file: (file.last, file.level))
        yield furthest
        last = furthest.last
        left = [file for file in left if file.last > last]


def _is_passed(base: Path, last: int) -> bool:
    """Return whether what lies ready, or its unfinished file, is of a state up to `last`."""
    names = [_NAME.search(path.name) for path in base.glob("*/*")]
    return all(found is not None and int(found[2], 16) <= last for found in names)
