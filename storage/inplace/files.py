"""The directory of the databases, as NFS shows it: what is there, and how to make sure of it."""

import os
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from sqlatch.kernel import nfs
from sqlatch.kernel.errors import StorageError
from storage.translate import FOREIGN_ERRORS, DatabaseReplaced, in_our_words

SUFFIX = ".db"

KEPT = ".deleted"
"""The directory beside the databases of those that were deleted, which are kept for a time."""

_READ_ONLY = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_NOFOLLOW


class Files:
    """`<name>.db` and its `-journal` in one directory. Symbolic links are not followed.

    What an NFS client must be made to ask the server again, `sqlatch.kernel.nfs` says.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.kept = directory / KEPT

    def path(self, name: str) -> Path:
        return self.directory / f"{name}{SUFFIX}"

    def journal(self, name: str) -> Path:
        return nfs.journal_of(self.path(name))

    def exists(self, name: str) -> bool:
        """Return whether the database is there; the server is asked before the answer is False."""
        if self.identity(name) is not None:
            return True
        self.open_directory()
        return self.identity(name) is not None

    def identity(self, name: str) -> tuple[int, int] | None:
        """Device and inode of the database file, None if there is no such regular file."""
        with self.storage_errors():
            try:
                found = os.lstat(self.path(name))
            except FileNotFoundError:
                return None
        return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None

    def changed_ns(self, name: str) -> int:
        """Return when the file was changed last, which no program can set; DatabaseReplaced."""
        with self.storage_errors():
            try:
                return os.lstat(self.path(name)).st_ctime_ns
            except FileNotFoundError as error:
                raise DatabaseReplaced("there is no such file any more") from error

    def open_directory(self) -> None:
        """Make the NFS client ask the server again what is in the directory."""
        with self.storage_errors():
            nfs.open_directory(self.directory)

    def open_journal(self, name: str) -> bool:
        """Make the NFS client ask for the journal. Return whether SQLite may take it for hot."""
        with self.storage_errors():
            return bool(nfs.open_journal(self.journal(name)))

    def is_wal(self, name: str) -> bool:
        """Return whether the header says WAL.

        Read through SQLite, without a lock: closing any other descriptor of the file would drop
        the locks that this process holds on it.
        """
        with self.storage_errors():
            if self.path(name).is_fifo():
                return False  # to open it would wait for a writer for ever
        try:
            connection = apsw.Connection(str(self.path(name)), flags=_READ_ONLY)
            with closing(connection):
                _is_whole, versions = connection.read("main", 0, nfs.VERSIONS_OFFSET, 2)
        except apsw.CantOpenError:
            return False  # whoever opens it next says why
        except FOREIGN_ERRORS as error:
            raise in_our_words(error, name) from error
        return nfs.WAL_VERSION in versions

    def names(self) -> list[str]:
        """The databases there are, by name; the files are not asked for."""
        with self.storage_errors(), os.scandir(self.directory) as entries:
            return sorted(
                entry.name.removesuffix(SUFFIX)
                for entry in entries
                if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False)
            )

    def sizes_bytes(self) -> dict[str, int]:
        """Each database's name and size, by name."""
        found = {}
        with self.storage_errors(), os.scandir(self.directory) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX) and entry.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # it was moved away meanwhile
                        found[entry.name.removesuffix(SUFFIX)] = entry.stat().st_size
        return dict(sorted(found.items()))

    @contextmanager
    def storage_errors(self) -> Iterator[None]:
        """Translate what the directory fails with."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"the directory of the databases: {error.strerror}: {error.filename}",
                errno=error.errno,
            ) from error
