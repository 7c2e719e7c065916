"""A file system for SQLite that counts what is asked of it."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import apsw

NAME = "counting"
FILE_CALLS = ("xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock",
              "xCheckReservedLock", "xClose")  # fmt: skip


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Count the file calls of each connection opened inside the block, also after its end."""
    counted: Counter[str] = Counter()
    before = apsw.vfs_names()[0]
    file_system = _CountingVFS(before, counted)
    try:
        apsw.set_default_vfs(NAME)
        yield counted
    finally:
        apsw.set_default_vfs(before)
        file_system.unregister()


def _counted(name: str) -> Callable[..., Any]:
    def call(self: "_CountingFile", *arguments: Any) -> Any:
        self.counted[name] += 1
        return getattr(super(_CountingFile, self), name)(*arguments)

    return call


class _CountingFile(apsw.VFSFile):
    def __init__(self, base: str, name: Any, flags: list[int], counted: Counter[str]) -> None:
        self.counted = counted
        super().__init__(base, name, flags)


for _name in FILE_CALLS:
    setattr(_CountingFile, _name, _counted(_name))


class _CountingVFS(apsw.VFS):
    def __init__(self, base: str, counted: Counter[str]) -> None:
        self._base = base
        self._counted = counted
        super().__init__(NAME, base)

    def xOpen(self, name: Any, flags: list[int]) -> _CountingFile:
        self._counted["xOpen"] += 1
        return _CountingFile(self._base, name, flags, self._counted)

    def xDelete(self, name: str, sync_directory: bool) -> None:  # noqa: FBT001 (SQLite calls it)
        self._counted["xDelete"] += 1
        super().xDelete(name, sync_directory)

    def xAccess(self, name: str, flags: int) -> bool:
        self._counted["xAccess"] += 1
        return super().xAccess(name, flags)
