"""Files beside the databases: the key that signs batons, logs and texts too large to be in them."""

import fcntl
import os
import secrets
from contextlib import suppress
from io import FileIO
from pathlib import Path

from sqlatch.kernel.errors import StorageError

DIRECTORY = ".streams"
KEY = "key"
KEY_BYTES = 32
NAME_BYTES = 24
LOG, TEXTS = "log", "texts"

LOG_KEPT_S = 120
"""Twice what a transaction may be idle."""
TEXTS_KEPT_S = 86_400
"""A stream without a transaction does not expire, but not all that was ever stored can be kept."""


class StreamFiles:
    """The directory of a service's streams. Names are random, too long to be guessed."""

    def __init__(self, databases: Path) -> None:
        self._directory = databases / DIRECTORY

    def key(self) -> bytes:
        """The signing key, made by the first who asks."""
        try:
            path = self._directory / KEY
            with suppress(FileNotFoundError):
                return path.read_bytes()
            self._directory.mkdir(mode=0o700, exist_ok=True)
            mine = self._write(
                f"{KEY}-{secrets.token_hex(NAME_BYTES)}", secrets.token_bytes(KEY_BYTES)
            )
            try:
                # A link is made whole or not at all, by one of all who try.
                with suppress(FileExistsError):
                    os.link(mine, path)
            finally:
                mine.unlink()
            return path.read_bytes()
        except OSError as error:
            raise _storage_error(error) from error

    def put(self, kind: str, content: bytes) -> str:
        """Keep a LOG or TEXTS in a new file; its name."""
        name = f"{kind}-{secrets.token_hex(NAME_BYTES)}"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._write(name, content)
        except OSError as error:
            raise _storage_error(error) from error
        return name

    def append(self, name: str, size_bytes: int, content: bytes) -> bool:
        """Add to a file, which is also kept longer by that; whether it could be done.

        It cannot if the file is gone, or does not end where the caller knows its end, or if another
        is adding to it: a request was sent again, or goes on from an earlier baton. Each of them
        relies on its own beginning of the file, so nothing there is ever written over.
        """
        try:
            with (self._directory / name).open("r+b", buffering=0) as file:
                try:
                    fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except (BlockingIOError, PermissionError):
                    return False
                if os.fstat(file.fileno()).st_size != size_bytes:
                    return False
                file.seek(size_bytes)
                _write_all(file, content)
                os.utime(file.fileno())
        except FileNotFoundError:
            return False
        except OSError as error:
            raise _storage_error(error) from error
        return True

    def touch(self, name: str) -> None:
        """Keep a file for longer, if it is still there."""
        try:
            with suppress(FileNotFoundError):
                os.utime(self._directory / name)
        except OSError as error:
            raise _storage_error(error) from error

    def get(self, name: str, size_bytes: int | None = None) -> bytes | None:
        """Return what was kept, or its first so many bytes; None if it was cleared."""
        try:
            with (self._directory / name).open("rb", buffering=0) as file:
                content = file.read() if size_bytes is None else file.read(size_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _storage_error(error) from error
        return content if size_bytes in {None, len(content)} else None

    def clear(self, now_s: float) -> int:
        """Remove logs and texts whose time is over (it is `now_s`, epoch seconds); how many."""
        cleared = 0
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    kept_s = TEXTS_KEPT_S if entry.name.startswith(TEXTS) else LOG_KEPT_S
                    if entry.name != KEY and entry.stat().st_mtime < now_s - kept_s:
                        Path(entry.path).unlink()
                        cleared += 1
        except FileNotFoundError:
            pass
        except OSError as error:
            raise _storage_error(error) from error
        return cleared

    def _write(self, name: str, content: bytes) -> Path:
        path = self._directory / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            _write_all(file, content)
        return path


def _write_all(file: FileIO, content: bytes) -> None:
    written = 0
    while written < len(content):
        written += file.write(content[written:])
    os.fsync(file.fileno())


def _storage_error(error: OSError) -> StorageError:
    return StorageError(f"the directory of the streams: {error.strerror}", errno=error.errno)
