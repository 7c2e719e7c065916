"""The history of a real SQLite database: each of its transactions as a record, each state whole.

The pages of a record are found by comparison of the file before and after a commit.
"""

from dataclasses import dataclass, field
from pathlib import Path

import apsw

from storage.log import ltx

START_MS = 1_700_000_000_000
STEP_MS = 1_000


@dataclass
class History:
    """A database at `path`, changed by one connection. Transaction n is made at `at_ms(n)`."""

    path: Path
    records: list[bytes] = field(default_factory=list)
    states: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection = apsw.Connection(str(self.path))

    @property
    def last(self) -> int:
        return len(self.records)

    def at_ms(self, transaction: int) -> int:
        return START_MS + STEP_MS * transaction

    def state(self, transaction: int) -> bytes:
        return self.states[transaction - 1]

    def commit(self, *statements: str) -> bytes:
        """Run statements in one transaction, or one that cannot be in one."""
        in_transaction = len(statements) > 1
        for statement in ("BEGIN", *statements, "COMMIT") if in_transaction else statements:
            self.connection.execute(statement).fetchall()
        after = self.path.read_bytes()
        before = self.states[-1] if self.states else b""
        self.states.append(after)
        self.records.append(record(before, after, self.last + 1, self.at_ms(self.last + 1)))
        return self.records[-1]

    def fill(self, rows: int, size_bytes: int = 300) -> bytes:
        return self.commit(
            "INSERT INTO t (a) WITH RECURSIVE n(i) AS"
            f" (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
            f" SELECT hex(randomblob({size_bytes // 2})) FROM n",
        )


def begun(path: Path, *, page_size: int = 4096) -> History:
    """Return the history of a database that has a table `t` with an index."""
    history = History(path)
    history.connection.execute(f"PRAGMA page_size = {page_size}")
    history.commit("CREATE TABLE t (id INTEGER PRIMARY KEY, a)", "CREATE INDEX t_a ON t (a)")
    return history


def record(before: bytes, after: bytes, transaction: int, at_ms: int) -> bytes:
    """Return the pages that differ, and those that are new, as transaction `transaction`."""
    page_size = size_of_a_page(after)
    begins_anew = not before or size_of_a_page(before) != page_size
    header = ltx.Header(
        page_size=page_size,
        pages=len(after) // page_size,
        first=1 if begins_anew else transaction,
        last=transaction,
        at_ms=at_ms,
    )
    pages = [
        (page, after[offset : offset + page_size])
        for page, offset in enumerate(range(0, len(after), page_size), start=1)
        if begins_anew or after[offset : offset + page_size] != before[offset : offset + page_size]
    ]
    return b"".join(ltx.encode(header, pages))


def size_of_a_page(database: bytes) -> int:
    size = int.from_bytes(database[16:18], "big")
    return 65_536 if size == 1 else size


def applied(state: bytes, content: bytes) -> bytes:
    """Return a database with the pages of a file written over it."""
    header, pages = ltx.decode(content)
    database = bytearray(b"" if header.is_snapshot else state)
    database.extend(bytes(max(0, header.pages * header.page_size - len(database))))
    for page, page_content in pages.items():
        database[(page - 1) * header.page_size : page * header.page_size] = page_content
    return bytes(database[: header.pages * header.page_size])
