"""What a commit ships is what it changed: whoever applies it has the same database."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest

from storage.log.capture import Capture, Changes

SETTINGS = (
    "PRAGMA journal_mode = PERSIST",
    "PRAGMA synchronous = FULL",
    "PRAGMA cache_spill = OFF",
    "PRAGMA temp_store = FILE",
)
TABLE = "CREATE TABLE t (n INTEGER PRIMARY KEY, filling)"
INDEX = "CREATE INDEX by_filling ON t (filling)"


def rows_of(first: int, last: int, letter: str = "a") -> str:
    return (
        f"WITH RECURSIVE i (n) AS (VALUES ({first}) UNION ALL SELECT n + 1 FROM i WHERE n < {last})"
        f" INSERT INTO t SELECT n, replace(hex(zeroblob(50)), '0', '{letter}') || n FROM i"
    )


class Refused(Exception):
    """The log does not take it."""


@dataclass
class Writer:
    """A connection whose commits go to a list, or are refused."""

    path: Path
    shipped: list[Changes] = field(default_factory=list)
    refuses: bool = False
    files: str | None = None

    def __post_init__(self) -> None:
        self.descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT)
        self.capture = Capture(self.path, self.descriptor, files=self.files)
        self.connection = apsw.Connection(str(self.path), vfs=self.capture.name)
        for sql in SETTINGS:
            self.connection.execute(sql).fetchall()

    def ship(self, changes: Changes) -> None:
        if self.refuses:
            raise Refused
        self.shipped.append(changes)

    def commit(self, *texts: str) -> None:
        with self.capture.committing(self.ship):
            if texts[0].startswith(("VACUUM", "PRAGMA page", "PRAGMA auto")):
                self.connection.execute(texts[0])
                return
            self.connection.execute("BEGIN IMMEDIATE")
            for sql in texts:
                self.connection.execute(sql).fetchall()
            self.connection.execute("COMMIT")

    def close(self) -> None:
        self.connection.close(force=True)
        os.close(self.descriptor)
        self.capture.unregister()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with closing(Writer(tmp_path / "db")) as writer:
        yield writer


def apply(shipped: list[Changes], path: Path) -> None:
    """Apply changes one by one, as another instance does."""
    with path.open("w+b") as file:
        for changes in shipped:
            for number, content in changes.pages:
                file.seek((number - 1) * changes.size.page_size)
                file.write(content)
            file.truncate(changes.size.pages * changes.size.page_size)


def dumped(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        schema = connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY 1").fetchall()
        tables = [name for name, sql in schema if (sql or "").startswith("CREATE TABLE")]
        return [
            schema,
            *(connection.execute(f"SELECT * FROM {name}").fetchall() for name in tables),
        ]


HISTORIES: dict[str, list[tuple[str, ...]]] = {
    "rows": [(TABLE, INDEX), (rows_of(1, 500),), ("UPDATE t SET filling = n WHERE n % 3 = 0",)],
    "deletes": [(TABLE,), (rows_of(1, 2000),), ("DELETE FROM t WHERE n > 5",), (rows_of(9, 700),)],
    "schema": [(TABLE,), ("ALTER TABLE t ADD COLUMN m DEFAULT 7", "PRAGMA user_version = 5")],
    "savepoints": [
        (TABLE, "SAVEPOINT s", rows_of(1, 300), "ROLLBACK TO s", rows_of(1, 9), "RELEASE s"),
    ],
    "vacuum": [(TABLE, rows_of(1, 3000)), ("DELETE FROM t WHERE n % 2",), ("VACUUM",)],
    "page size": [
        (TABLE, rows_of(1, 900)),
        ("PRAGMA page_size = 8192",),
        ("VACUUM",),
        (rows_of(1000, 1100, "b"),),
    ],
    "auto vacuum": [
        ("PRAGMA auto_vacuum = FULL",),
        (TABLE, rows_of(1, 3000)),
        ("DELETE FROM t WHERE n < 2900",),
    ],
    "free pages": [
        (TABLE,),
        (rows_of(1, 2000), "DELETE FROM t"),
        (rows_of(1, 10, "c"),),
    ],
    "full text": [
        ("CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO f VALUES ('one two')"),
        ("INSERT INTO f SELECT 'three ' || value FROM json_each('[1,2,3,4,5,6,7,8,9]')",),
    ],
}


@pytest.mark.parametrize("history", HISTORIES)
def test_who_applies_what_was_shipped_has_the_same_database(
    writer: Writer, history: str, tmp_path: Path
) -> None:
    for texts in HISTORIES[history]:
        writer.commit(*texts)
        apply(writer.shipped, tmp_path / "follower")
        if writer.shipped:
            assert dumped(tmp_path / "follower") == dumped(writer.path)
    assert (tmp_path / "follower").read_bytes() == writer.path.read_bytes()


def test_pages_that_sqlite_does_not_write_are_shipped_too(writer: Writer, tmp_path: Path) -> None:
    """A new page that is free again at the commit: whoever restores the log asks for every one."""
    writer.commit(TABLE)
    before = writer.shipped[-1].size.pages
    writer.commit(rows_of(1, 2000), "DELETE FROM t")

    changes = writer.shipped[-1]
    numbers = [number for number, _content in changes.pages]
    assert set(range(before + 1, changes.size.pages + 1)) <= set(numbers)


def test_the_first_commit_and_another_page_size_are_whole(writer: Writer) -> None:
    writer.commit(TABLE)
    writer.commit(rows_of(1, 100))
    writer.connection.execute("PRAGMA page_size = 1024")
    writer.commit("VACUUM")

    assert [changes.is_whole for changes in writer.shipped] == [True, False, True]
    assert len(writer.shipped[-1].pages) == writer.shipped[-1].size.pages


def test_a_transaction_that_changes_nothing_ships_nothing(writer: Writer) -> None:
    writer.commit(TABLE)
    writer.commit("DELETE FROM t WHERE n = 7")

    assert len(writer.shipped) == 1


REFUSALS: dict[str, tuple[str, ...]] = {
    "rows": (rows_of(1000, 1500),),
    "schema": ("CREATE TABLE u (m)", "PRAGMA user_version = 9"),
    "deletes": ("DELETE FROM t",),
    "vacuum": ("VACUUM",),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_what_the_log_does_not_take_is_rolled_back_and_never_shipped(
    writer: Writer, what: str, tmp_path: Path
) -> None:
    """SQLite syncs once more at the end of a rollback."""
    writer.commit(TABLE, rows_of(1, 800))
    writer.commit("DELETE FROM t WHERE n % 2")
    before = dumped(writer.path)
    writer.refuses = True

    assert failed(writer, REFUSALS[what])
    assert isinstance(writer.capture.failure, Refused)

    assert len(writer.shipped) == 2
    assert dumped(writer.path) == before
    writer.refuses = False
    writer.commit(rows_of(5000, 5100))
    apply(writer.shipped, tmp_path / "follower")
    assert dumped(tmp_path / "follower") == dumped(writer.path)


def test_a_commit_past_the_log_is_an_error(writer: Writer) -> None:
    writer.commit(TABLE)

    with pytest.raises(apsw.IOError, match="past the log"):
        writer.connection.execute("INSERT INTO t VALUES (1, 1)")

    assert writer.connection.execute("SELECT count(*) FROM t").fetchall() == [(0,)]
    assert len(writer.shipped) == 1


@pytest.mark.parametrize("lasts", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("texts", [(rows_of(1000, 1040),), ("VACUUM",)], ids=["rows", "vacuum"])
def test_a_local_disk_that_fails_ships_nothing_that_is_rolled_back(
    tmp_path: Path, texts: tuple[str, ...], *, lasts: bool
) -> None:
    """Every call of a commit fails in turn. What was shipped is committed, whatever SQLite says."""
    refused = shipped_and_failed = number = 0
    while True:
        number += 1
        path = tmp_path / str(number) / "db"
        path.parent.mkdir()
        disk = FailingDisk(lasts=lasts)
        with closing(Writer(path, files=disk.name)) as writer:
            writer.commit(TABLE, rows_of(1, 800))
            writer.commit("DELETE FROM t WHERE n % 2")
            before = dumped(path)
            disk.fails_at = number
            error = failed(writer, texts)
            disk.fails_at = 0
            has_shipped = len(writer.shipped) == 3
        disk.unregister()
        if disk.calls < number:
            break
        apply(writer.shipped, path.with_name("follower"))
        after = dumped(path.with_name("follower"))
        if has_shipped:
            shipped_and_failed += error
            assert texts == ("VACUUM",) or after != before
        else:
            refused += 1
            assert error
            assert dumped(path) == after == before

    assert refused > 3
    assert shipped_and_failed > 0


class FailingDisk(apsw.VFS):
    """The ordinary file system, but for one call, and those behind it if it `lasts`."""

    def __init__(self, *, lasts: bool) -> None:
        self.name = "failing"
        self.lasts = lasts
        self.calls = 0
        self.fails_at = 0
        super().__init__(self.name, "unix")

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return FailingFile(self, name, flags)

    def call(self) -> None:
        self.calls += bool(self.fails_at)
        if self.fails_at and (
            self.calls == self.fails_at or (self.lasts and self.calls > self.fails_at)
        ):
            raise apsw.FullError("no space")


class FailingFile(apsw.VFSFile):
    def __init__(self, disk: FailingDisk, name: Any, flags: list[int]) -> None:
        self._disk = disk
        super().__init__("unix", name, flags)

    def xRead(self, amount: int, offset: int) -> bytes:
        self._disk.call()
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        self._disk.call()
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._disk.call()
        super().xTruncate(newsize)

    def excepthook(self, *_error: Any) -> bool:
        return True


def failed(writer: Writer, texts: tuple[str, ...]) -> bool:
    """Return whether the commit raised."""
    try:
        writer.commit(*texts)
    except apsw.Error:
        with suppress(apsw.Error):
            if writer.connection.in_transaction:
                writer.connection.execute("ROLLBACK")
        return True
    return False
