"""The system calls by which SQLite and the storage reach the disk; they fail where told to."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import apsw

from storage.inplace import files
from tests.faults.calls import PATH_CALLS, Hook, hooked
from tests.faults.vfs import BASE, OrdinaryFile

_INT, _LONG, _POINTER = ctypes.c_int, ctypes.c_ssize_t, ctypes.c_void_p
_OFFSET = ctypes.c_int64

SIGNATURES: dict[str, tuple[Any, ...]] = {
    "open": (_INT, ctypes.c_char_p, _INT, _INT),
    "fstat": (_INT, _INT, _POINTER),
    "stat": (_INT, ctypes.c_char_p, _POINTER),
    "fcntl": (_INT, _INT, _INT, _POINTER),
    "pread64": (_LONG, _INT, _POINTER, ctypes.c_size_t, _OFFSET),
    "pwrite64": (_LONG, _INT, _POINTER, ctypes.c_size_t, _OFFSET),
    "ftruncate": (_INT, _INT, _OFFSET),
    "unlink": (_INT, ctypes.c_char_p),
}
"""Result and arguments."""

SYNC = frozenset({"fsync"})
"""Not among the calls that SQLite lets be replaced, hence a VFS of ours for this one."""

TRANSFERS = ("pread64", "pwrite64")
CUT_IN_HALF = 0
"""Not an errno: a transfer does the first half only, and says so."""
FILE_ENDS = -1
"""Not an errno: a read finds that the file ends before it."""
PYTHON_CALLS = ("open", "lstat", "read", "scandir")

LOG_CALLS = {
    "open": "open",
    "pread": "pread64",
    "pwrite": "pwrite64",
    "pwritev": "pwrite64",
    "fsync": "fsync",
    "ftruncate": "ftruncate",
    "truncate": "ftruncate",
    "posix_fallocate": "ftruncate",
    "link": "link",
    "lstat": "lstat",
    "statx": "lstat",
    "scandir": "read",
    "path_iterdir": "read",
    "path_open": "open",
    "path_mkdir": "link",
    "path_rename": "link",
    "path_replace": "link",
    "path_unlink": "unlink",
    "path_stat": "stat",
    "path_glob": "read",
    "path_rglob": "read",
    "utime": "link",
}
"""The calls that the engine of a log makes by itself, and which of the faults' calls they are."""


@dataclass(slots=True)
class Fault:
    """Fails one call, or all from that one on: with an errno, or as CUT_IN_HALF or FILE_ENDS."""

    errno: int
    calls: frozenset[str]
    fails_at: int
    lasting: bool = False
    seen: int = 0
    active: bool = True
    failed: int = 0

    def strikes(self, call: str) -> bool:
        if not self.active or call not in self.calls:
            return False
        self.seen += 1
        struck = self.seen == self.fails_at or (self.lasting and self.seen > self.fails_at)
        self.failed += struck
        return struck


@contextmanager
def failing(fault: Fault, directory: Path) -> Iterator[None]:
    """Have the calls of this process fail as the fault says: its own, below this directory."""
    system = _System()
    replaced = [_replacement(name, system.xGetSystemCall(name), fault) for name in SIGNATURES]
    for name, replacement in zip(SIGNATURES, replaced, strict=True):
        system.xSetSystemCall(name, ctypes.cast(replacement, ctypes.c_void_p).value or 0)
    vars(files)["os"] = _python_os(fault)
    syncing = _Syncing(fault)
    if fault.calls >= SYNC:
        apsw.set_default_vfs(syncing.name)
    try:
        hook = _failing_in(fault, f"{directory}/")
        with hooked(hook, path_calls=(*PATH_CALLS, "stat", "glob", "rglob")):
            yield
    finally:
        apsw.set_default_vfs(BASE)
        syncing.unregister()
        vars(files)["os"] = os
        for name in SIGNATURES:
            system.xSetSystemCall(name, 0)
        system.unregister()


class _System(apsw.VFS):
    """A way to the ordinary VFS's table of system calls."""

    def __init__(self) -> None:
        super().__init__("system-calls", BASE)


class _Syncing(apsw.VFS):
    """The ordinary VFS, but that a sync may fail."""

    name = "syncing"

    def __init__(self, fault: Fault) -> None:
        self._fault = fault
        super().__init__(self.name, BASE)

    def xOpen(self, name: "str | apsw.URIFilename | None", flags: list[int]) -> "_SyncedFile":
        return _SyncedFile(self._fault, name, flags)


class _SyncedFile(OrdinaryFile):
    def __init__(
        self, fault: Fault, name: "str | apsw.URIFilename | None", flags: list[int]
    ) -> None:
        self._fault = fault
        super().__init__(name, flags)

    def xSync(self, flags: int) -> None:
        if self._fault.strikes("fsync"):
            raise apsw.exception_for(apsw.SQLITE_IOERR_FSYNC)
        super().xSync(flags)


def _replacement(name: str, address: int | None, fault: Fault) -> Any:
    prototype = ctypes.CFUNCTYPE(*SIGNATURES[name], use_errno=True)
    assert address is not None
    real = prototype(address)

    def call(*arguments: Any) -> int:
        if not fault.strikes(name):
            return int(real(*arguments))
        if fault.errno == FILE_ENDS:
            return 0
        if fault.errno == CUT_IN_HALF:
            descriptor, buffer, count, offset = arguments
            return int(real(descriptor, buffer, max(1, count // 2), offset))
        ctypes.set_errno(fault.errno)
        return -1

    return prototype(call)


def _failing_in(fault: Fault, below: str) -> Hook:
    """Fail the calls of the engine of a log.

    That a file seems to end is said to SQLite only, and of a segment no read is cut in half: there
    it would say that nothing new is there, which no NFS client says of what its server has.
    """

    def call(name: str, real: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        is_elsewhere = not isinstance(arguments[0], int) and below not in str(arguments[0])
        kind = LOG_CALLS[name]
        is_short = fault.errno in (CUT_IN_HALF, FILE_ENDS)
        if is_short and name == "pread" and _is_segment(arguments[0]):
            is_elsewhere = True
        if is_elsewhere or fault.errno == FILE_ENDS or not fault.strikes(kind):
            return real(*arguments, **named)
        if fault.errno != CUT_IN_HALF:
            raise OSError(fault.errno, os.strerror(fault.errno), str(arguments[0]))
        if name == "pwritev":
            descriptor, run, offset = arguments
            return real(descriptor, run[: max(1, len(run) // 2)], offset)
        descriptor, content, offset = arguments
        if name == "pread":
            return real(descriptor, max(1, content // 2), offset)
        return real(descriptor, content[: max(1, len(content) // 2)], offset)

    return call


def _is_segment(descriptor: int) -> bool:
    return Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".seg"


def _python_os(fault: Fault) -> ModuleType:
    """The module `os`, its calls of `storage.inplace.files` failing likewise."""

    def replacement(name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if fault.errno > 0 and fault.strikes(name):
                raise OSError(fault.errno, os.strerror(fault.errno), str(arguments[0]))
            return getattr(os, name)(*arguments, **options)

        return call

    calls = {name: replacement(name) for name in PYTHON_CALLS}
    return SimpleNamespace(**{**vars(os), **calls})  # type: ignore[return-value]
