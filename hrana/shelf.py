"""Files beside the databases: the key that signs batons, and logs too large to travel in them."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from sqlatch.errors import StorageError

DIRECTORY = ".streams"
KEY = "key"
KEY_BYTES = 32
NAME_BYTES = 24


class Shelf:
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

    def put(self, content: bytes) -> str:
        """Keep a log; the name under which it lies."""
        name = secrets.token_hex(NAME_BYTES)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._write(name, content)
        except OSError as error:
            raise _storage_error(error) from error
        return name

    def get(self, name: str) -> bytes | None:
        """What was kept under a name; None if it was cleared."""
        try:
            return (self._directory / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _storage_error(error) from error

    def clear(self, before_s: float) -> int:
        """Remove logs older than that (epoch seconds); how many."""
        cleared = 0
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if entry.name != KEY and entry.stat().st_mtime < before_s:
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
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        return path


def _storage_error(error: OSError) -> StorageError:
    return StorageError(f"the directory of the streams: {error.strerror}", errno=error.errno)
