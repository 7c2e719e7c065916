"""Reads of files that nobody appends to: copies and snapshots."""

import os
from pathlib import Path
from typing import Protocol


def read_at(descriptor: int, length_bytes: int, offset: int) -> bytes:
    """Return these bytes; fewer where the file ends. One call of the system may return fewer."""
    content = os.pread(descriptor, length_bytes, offset)
    while len(content) < length_bytes:
        more = os.pread(descriptor, length_bytes - len(content), offset + len(content))
        if not more:
            break
        content += more
    return content


class Ranges(Protocol):
    """A file that is open, to be read anywhere."""

    def read(self, offset: int, length: int) -> bytes:
        """Return so many bytes at an offset; fewer where the file ends."""

    def close(self) -> None: ...


class FileRanges:
    """See `Ranges`, of a file in a directory."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def read(self, offset: int, length: int) -> bytes:
        return read_at(self._descriptor, length, offset)

    def close(self) -> None:
        os.close(self._descriptor)
