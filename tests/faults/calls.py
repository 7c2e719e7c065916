"""The calls by which the engine of a log reaches its files: each goes through a hook."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from sqlatch.kernel import nfs
from storage.log import (
    bookmark,
    chain,
    copy_file,
    durable,
    engine,
    files,
    hydration,
    reading,
    segment,
    store,
)

Call = Callable[..., Any]
Hook = Callable[..., Any]
"""Called with the name of a call, the call, and its arguments; `path_` is before one of a Path."""

LOG = (segment, chain, files, nfs)
"""Where the log in a directory is read and written."""
ENGINE = (*LOG, bookmark, copy_file, durable, engine, hydration, reading, store)
"""And where the copies are, and the files that stand for the log."""

OS_CALLS = ("open", "pread", "pwrite", "pwritev", "fsync", "ftruncate", "truncate", "link",
            "lstat", "scandir", "utime", "posix_fallocate")  # fmt: skip
PATH_CALLS = ("mkdir", "unlink", "rename", "replace", "iterdir", "open")


@contextmanager
def hooked(
    hook: Hook,
    modules: Sequence[ModuleType] = ENGINE,
    os_calls: Sequence[str] = OS_CALLS,
    path_calls: Sequence[str] = PATH_CALLS,
) -> Iterator[pytest.MonkeyPatch]:
    """Have the calls of these modules, and those of every Path, go through the hook."""

    def through(name: str, call: Call) -> Call:
        return lambda *arguments, **named: hook(name, call, *arguments, **named)

    calls = {name: through(name, getattr(os, name)) for name in os_calls}
    ours = SimpleNamespace(**{**vars(os), **calls})
    with pytest.MonkeyPatch.context() as patched:
        for module in modules:
            patched.setattr(module, "os", ours)
        for name in path_calls:
            patched.setattr(Path, name, through(f"path_{name}", getattr(Path, name)))
        patched.setattr(files, "length_bytes", through("statx", files.length_bytes))
        yield patched
