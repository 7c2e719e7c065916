"""A rollback journal, seen from outside, and a file that needs one."""

from pathlib import Path

import apsw

JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
"""How a journal begins that would be played back; zeros once its transaction has ended."""


def leave_in_mid_commit(path: Path, update: str) -> None:
    """Leave a database as a writer does that is killed while its pages go to the file.

    The file is copied with its journal while SQLite, told to spill, is in mid transaction.
    """
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA journal_mode = PERSIST").fetchall()
    connection.execute("PRAGMA cache_size = 1")
    connection.execute("PRAGMA cache_spill = 1")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(update)
    copies = {}
    for name in (path.name, f"{path.name}-journal"):
        copies[name] = (path.parent / name).read_bytes()
    connection.close(force=True)
    for name, content in copies.items():
        (path.parent / name).write_bytes(content)
    assert copies[f"{path.name}-journal"].startswith(JOURNAL_MAGIC)
