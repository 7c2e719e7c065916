"""The files of streams in a directory beside the databases."""

import fcntl
import os
import secrets
from contextlib import suppress
from io import FileIO
from pathlib import Path

from hrana.files import KEY_BYTES, derived, kept_s, new_name
from sqlatch.kernel.errors import StorageError

DIRECTORY = ".streams"
KEY = "key"


class StreamFiles:
    """The directory of a service's streams: see `Files`."""

    def __init__(self, databases: Path) -> None:
        self._directory = databases / DIRECTORY

    def key(self) -> bytes:
        try:
            path = self._directory / KEY
            with suppress(FileNotFoundError):
                return path.read_bytes()
            self._directory.mkdir(mode=0o700, exist_ok=True)
            mine = self._write(new_name(KEY), secrets.token_bytes(KEY_BYTES))
            try:
                # A link is made whole or not at all, by one of all who try.
                with suppress(FileExistsError):
                    os.link(mine, path)
            finally:
                mine.unlink()
            return path.read_bytes()
        except OSError as error:
            raise _storage_error(error) from error

    def key_of(self, database: str) -> bytes:
        return derived(self.key(), database)

    def put(self, kind: str, content: bytes) -> str:
        name = new_name(kind)
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            self._write(name, content)
        except OSError as error:
            raise _storage_error(error) from error
        return name

    def append(self, name: str, size_bytes: int, content: bytes) -> bool:
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
        try:
            with suppress(FileNotFoundError):
                os.utime(self._directory / name)
        except OSError as error:
            raise _storage_error(error) from error

    def get(self, name: str, size_bytes: int | None = None) -> bytes | None:
        try:
            with (self._directory / name).open("rb", buffering=0) as file:
                content = file.read() if size_bytes is None else file.read(size_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _storage_error(error) from error
        return content if size_bytes in {None, len(content)} else None

    def clear(self, now_s: float) -> int:
        cleared = 0
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    past_s = now_s - kept_s(entry.name)
                    if entry.name != KEY and entry.stat().st_mtime < past_s:
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
