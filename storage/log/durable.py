"""Files that are whole and durable under their names, or not there."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlatch.kernel.errors import StorageError

BUFFER_BYTES = 1 << 20

ARRIVING = ".arriving"
"""The end of the hidden name of a file that is being written."""


def write_whole(path: Path, pieces: Iterable[bytes], *, at_ms: int) -> None:
    """Write a file whose time is `at_ms`. One that is there already is kept: someone may be reading
    it. Its name is durable when the directory is synced.
    """
    arriving = path.with_name(f".{path.name}.{os.urandom(8).hex()}{ARRIVING}")
    at_ns = at_ms * 1_000_000
    try:
        if not path.exists():
            with arriving.open("xb", buffering=BUFFER_BYTES) as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(file.fileno())
            os.utime(arriving, ns=(at_ns, at_ns))
            arriving.replace(path)
    finally:
        arriving.unlink(missing_ok=True)


def sync(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def delete(path: Path) -> None:
    """Delete a file, or a directory with what is in it."""
    if path.is_dir():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink()


@contextmanager
def storage_errors(what: str = "the snapshots of a database") -> Iterator[None]:
    """Tell an error of the system in the block as a StorageError, which names what has failed."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{what}: {error.strerror}: {error.filename}", errno=error.errno
        ) from error
