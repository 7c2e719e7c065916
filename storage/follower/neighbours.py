"""A new copy that begins with that of another process of the machine, without asking the leader.

So a process that is started while the leader is away reads on as the others do.
"""

from contextlib import closing, suppress
from pathlib import Path

import apsw

from storage.copies import copy_pages
from storage.log.bookmark import Bookmark, position_in
from storage.log.hydration import map_of

BYTES_MAX = 256 << 20
"""A larger copy begins with the leader's snapshot, page by page: that is faster."""


def begin_with_one(directory: Path) -> None:
    """Fill the directory of a copy, if it has none, from the newest copy of another slot."""
    bookmark = directory / "pos"
    # Whatever fails, there is the leader to begin with.
    with suppress(OSError):
        if bookmark.exists() and position_in(bookmark):
            return
        others = directory.parent.parent.glob(f"*/{directory.name}/pos")
        for other in sorted(others, key=position_in, reverse=True):
            with suppress(OSError, apsw.Error):
                if other != bookmark and _has_copied(other.with_name("db"), directory):
                    return


def _has_copied(source: Path, directory: Path) -> bool:
    """Copy a file that is whole, and its bookmark; False if it cannot be used."""
    if map_of(source).exists() or not 0 < source.stat().st_size <= BYTES_MAX:
        return False
    with closing(apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        # Under SQLite's lock no records are applied, so that file and bookmark are one state.
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        found = Bookmark(source.with_name("pos"))
        if not found.is_known or not found.is_clean:
            return False
        directory.mkdir(mode=0o700, exist_ok=True)
        copy = directory / "db"
        copy.unlink(missing_ok=True)
        with closing(apsw.Connection(str(copy))) as target:
            copy_pages(connection, target)
        bookmark = Bookmark(directory / "pos")
        bookmark.reset()
        bookmark.note(found.log_id)
        bookmark.commit(found.place)
    return True
