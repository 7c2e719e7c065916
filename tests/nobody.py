"""Somebody who may read a directory, and write nothing in it. Only root can become that."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65_534


@contextmanager
def as_nobody(directory: Path) -> Iterator[None]:
    """Run the block as a user who may read the directory and write nothing in it."""
    modes = {parent: parent.stat().st_mode for parent in directory.parents}
    closed = {parent: mode for parent, mode in modes.items() if mode & 0o011 != 0o011}
    for parent, mode in closed.items():
        parent.chmod(mode | 0o011)
    directory.chmod(0o555)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        directory.chmod(0o755)
        for parent, mode in closed.items():
            parent.chmod(mode)
