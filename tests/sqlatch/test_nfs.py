"""The rules of SQLite on NFS, each on a real file, some with what happens without it."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel import nfs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "main.db"
    with closing(connect(path)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE t (a, b)")
        connection.executemany("INSERT INTO t VALUES (0, ?)", [("x" * 500,)] * 500)
        connection.execute("COMMIT")
    return path


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def runner(connection: sqlite3.Connection) -> nfs.Run:
    return lambda sql: connection.execute(sql).fetchall()


def hot(path: Path) -> Path:
    """Return a copy of a database as a writer leaves it that is killed in its COMMIT."""
    copy = path.with_name("hot.db")
    with closing(connect(path)) as writer:
        for sql in (
            "PRAGMA cache_spill = 1", "PRAGMA cache_size = 1", "BEGIN", "UPDATE t SET a = 1"
        ):  # fmt: skip
            writer.execute(sql)
        shutil.copy(path, copy)
        shutil.copy(nfs.journal_of(path), nfs.journal_of(copy))
        writer.execute("ROLLBACK")
    return copy


def test_a_recovery_keeps_the_journal_file(path: Path) -> None:
    copy = hot(path)
    journal = nfs.journal_of(copy)
    inode = journal.stat().st_ino
    assert nfs.open_journal(journal) is True

    with closing(connect(copy)) as connection:
        assert nfs.run_first(runner(connection))
        connection.execute(nfs.READ)

        assert connection.execute("SELECT sum(a) FROM t").fetchone() == (0,)
    assert journal.stat().st_ino == inode
    assert nfs.open_journal(journal) is False


def test_without_the_exclusive_locking_mode_a_recovery_deletes_it(path: Path) -> None:
    copy = hot(path)

    with closing(connect(copy)) as connection:
        connection.execute("PRAGMA journal_mode = PERSIST")
        connection.execute(nfs.READ)

    assert nfs.open_journal(nfs.journal_of(copy)) is None


def test_a_file_in_wal_mode_leaves_it_unless_it_is_in_use(path: Path) -> None:
    with closing(connect(path)) as plain:
        plain.execute("PRAGMA journal_mode = WAL")
        plain.execute(nfs.READ)
        with closing(sqlite3.connect(path, timeout=0)) as second:
            try:
                has_left = nfs.run_first(runner(second))
            except sqlite3.OperationalError as error:
                has_left = str(error) != "database is locked"
            assert not has_left

    with closing(connect(path)) as connection:
        assert nfs.run_first(runner(connection))
    assert nfs.WAL_VERSION not in path.read_bytes()[nfs.VERSIONS_OFFSET :][:2]


def test_a_change_of_nothing_makes_a_journal(path: Path) -> None:
    journal = nfs.journal_of(path)
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA user_version = 12")
        run = runner(connection)
        assert nfs.run_first(run)
        run("BEGIN IMMEDIATE")
        run("COMMIT")
        assert not nfs.has_journal(str(journal))

        run("BEGIN IMMEDIATE")
        nfs.dirty(run)
        run("COMMIT")

        assert run("PRAGMA user_version") == [(12,)]
    assert nfs.has_journal(str(journal))
    assert nfs.open_journal(journal) is False


def test_the_beginning_of_a_journal_that_a_crash_left_is_written_over(path: Path) -> None:
    journal = nfs.journal_of(path)
    journal.write_bytes(b"\xd9\xd5")
    with closing(connect(path)) as connection:
        run = runner(connection)
        assert nfs.run_first(run)
        run(nfs.READ)
        assert nfs.open_journal(journal) is True

        run("BEGIN IMMEDIATE")
        nfs.dirty(run)
        run("COMMIT")

    assert nfs.open_journal(journal) is False


def test_a_journal_of_a_committed_transaction_is_not_hot(path: Path) -> None:
    with closing(connect(path)) as connection:
        assert nfs.run_first(runner(connection))
        connection.execute("UPDATE t SET a = 2")

    assert nfs.open_journal(nfs.journal_of(path)) is False


def test_a_journal_is_opened_only_as_the_file_of_that_name(path: Path) -> None:
    journal = nfs.journal_of(path)
    journal.symlink_to(path)
    with pytest.raises(OSError, match="symbolic links"):
        nfs.open_journal(journal)

    journal.unlink()
    os.mkfifo(journal)
    assert nfs.open_journal(journal) is False


def test_a_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    nfs.open_directory(tmp_path)

    with pytest.raises(FileNotFoundError):
        nfs.open_directory(tmp_path / "missing")
