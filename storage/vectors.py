"""Vector search: the extension sqlite-vec of its wheel, if the build has it and it is wanted."""

from importlib.util import find_spec
from pathlib import Path

import apsw

PACKAGE = "sqlite_vec"
MODULE = "vec0"
ENTRY_POINT = "sqlite3_vec_init"

_chosen: list[str] = []
"""The extension, none if it is not wanted: all connections of a process have the same."""


class NotInThisBuild(Exception):
    """The extension is wanted, and its package is not installed."""


def choose(*, wanted: bool) -> None:
    """Have each connection that is opened from now on know vectors, or none."""
    _chosen[:] = [str(extension())] if wanted else []


def extension() -> Path:
    """Return the library, without the end of its name: SQLite adds that of the system."""
    found = find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise NotInThisBuild(
            "sqlite-vec is not in this build: make build VECTORS=1, or pip install sqlite-vec"
        )
    return Path(found.origin).with_name(MODULE)


def install(connection: apsw.Connection) -> None:
    """Load the extension into a connection, and switch loading off again.

    This switch leaves the SQL function load_extension() off throughout.
    """
    for path in _chosen:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1)
        try:
            connection.load_extension(path, ENTRY_POINT)
        finally:
            connection.config(apsw.SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0)
