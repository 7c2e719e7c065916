"""Opening a database, and what a killed writer leaves: recovered under the lease, journal kept."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError

from sqlatch.django.files import DatabaseFile
from sqlatch.django.opening import is_ready
from tests.django.conftest import Connect, Counter

pytestmark = pytest.mark.django

COUNT = "SELECT count(*), sum(a) FROM t"


def leave_hot_journal(path: Path, *, bytes_left: int | None = None) -> None:
    """Leave the file as a writer does that is killed while its pages go to the file.

    It is copied with its journal while SQLite, told to spill, is in mid transaction.
    """
    copy = path.with_name("copy")
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = PERSIST")
        writer.execute("PRAGMA cache_spill = 1")
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE t SET a = a + 1")
        shutil.copy(path, copy)
        shutil.copy(f"{path}-journal", f"{copy}-journal")
        writer.execute("ROLLBACK")
    if bytes_left is not None:
        journal = copy.with_name("copy-journal")
        journal.write_bytes(journal.read_bytes()[:bytes_left])
    copy.replace(path)
    Path(f"{copy}-journal").replace(f"{path}-journal")


@pytest.fixture
def path(directory: Path, connect: Connect) -> Path:
    wrapper = connect()
    with wrapper.cursor() as cursor:
        cursor.execute("CREATE TABLE t (a, b)")
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(0, "x" * 500)] * 500)
    wrapper.close()
    return directory / "main.db"


@pytest.fixture
def counted(address: str, path: Path) -> Counter:
    counter = Counter(address)
    counter.taken()
    return counter


def first_byte(path: Path) -> bytes:
    return Path(f"{path}-journal").read_bytes()[:1]


@pytest.mark.lease_tables
def test_a_hot_journal_is_rolled_back_under_the_lease_when_a_connection_opens(
    path: Path, connect: Connect, counted: Counter
) -> None:
    leave_hot_journal(path)
    # A second name for it, so that no other file is given its number.
    path.with_name("same").hardlink_to(f"{path}-journal")
    with connect().cursor() as cursor:
        cursor.execute(COUNT)

        assert cursor.fetchone() == (500, 0)
    assert first_byte(path) == b"\0"
    assert path.with_name("same").samefile(f"{path}-journal")
    assert counted.taken() == 1


@pytest.mark.lease_tables
def test_a_reader_that_is_open_already_recovers_under_the_lease(
    path: Path, connect: Connect, counted: Counter
) -> None:
    wrapper = connect()
    wrapper.ensure_connection()

    with wrapper.cursor() as cursor:
        make_hot_in_place(path)
        cursor.execute(COUNT)

        assert cursor.fetchone() == (500, 0)
    assert first_byte(path) == b"\0"
    assert counted.taken() == 1


def make_hot_in_place(path: Path) -> None:
    """The same, without another file taking its place."""
    copy = path.with_name("hot.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    leave_hot_journal(copy)
    for suffix in ("-journal", ""):
        Path(f"{path}{suffix}").write_bytes(Path(f"{copy}{suffix}").read_bytes())


def test_a_reader_waits_for_whoever_recovers_and_takes_no_lease_if_that_is_done(
    path: Path, connect: Connect, counted: Counter
) -> None:
    leave_hot_journal(path)
    first, second = connect(), connect()
    first.ensure_connection()
    second.ensure_connection()

    assert counted.taken() == 1


def test_the_beginning_of_a_journal_that_a_crash_left_is_written_over(
    path: Path, connect: Connect
) -> None:
    leave_hot_journal(path, bytes_left=4)
    # Nothing of the pages is in the journal: as after a crash before it was synced.
    with connect().cursor() as cursor:
        cursor.execute("SELECT count(*) FROM t")

        assert cursor.fetchone() == (500,)


def test_the_journal_exists_before_the_first_reader_looks(
    directory: Path, connect: Connect, address: str
) -> None:
    counter = Counter(address)
    counter.taken()
    wrapper = connect()
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM sqlite_master")

        assert cursor.fetchone() == (0,)
    assert first_byte(directory / "main.db") == b"\0"
    assert counter.taken() == 1


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_a_file_that_was_copied_in_gets_its_journal_under_the_lease(
    mode: str, directory: Path, connect: Connect, address: str
) -> None:
    counter = Counter(address, name="copied")
    counter.taken()
    path = directory / "copied.db"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(f"PRAGMA journal_mode = {mode}")
        plain.execute("PRAGMA user_version = 12")
        plain.execute("CREATE TABLE t (a)")
    if mode == "WAL":
        Path(f"{path}-journal").write_bytes(bytes(8))
    assert not is_ready(DatabaseFile(path))

    with connect(path).cursor() as cursor:
        assert cursor.execute("PRAGMA user_version").fetchone() == (12,)
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("persist",)

    assert first_byte(path) == b"\0"
    assert is_ready(DatabaseFile(path))
    assert counter.taken() == 1
    assert not Path(f"{path}-wal").exists()


def test_a_connection_to_a_database_that_is_ready_takes_no_lease(
    path: Path, connect: Connect, counted: Counter
) -> None:
    connect().ensure_connection()

    assert counted.taken() == 0


def test_the_journal_stays_through_commits_rollbacks_and_closes(
    path: Path, connect: Connect
) -> None:
    inode = Path(f"{path}-journal").stat().st_ino
    for _ in range(2):
        wrapper = connect()
        with wrapper.cursor() as cursor:
            cursor.execute("UPDATE t SET a = a + 1")
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("UPDATE t SET a = a + 1")
            cursor.execute("ROLLBACK")
        wrapper.close()

    assert Path(f"{path}-journal").stat().st_ino == inode
    assert first_byte(path) == b"\0"


def test_a_directory_that_is_not_there_is_an_error_of_django(
    connect: Connect, directory: Path
) -> None:
    wrapper = connect(directory / "missing" / "main.db")

    with pytest.raises(OperationalError, match="missing"):
        wrapper.ensure_connection()


@pytest.mark.lease_tables
def test_a_symbolic_link_to_a_database_shares_its_lease_and_its_journal(
    path: Path, connect: Connect, counted: Counter
) -> None:
    link = path.with_name("link.db")
    link.symlink_to(path)
    connect(link).ensure_connection()
    assert counted.taken() == 0

    make_hot_in_place(path)
    with connect(link).cursor() as cursor:
        cursor.execute(COUNT)

        assert cursor.fetchone() == (500, 0)
    assert counted.taken() == 1


def test_a_journal_that_is_a_symbolic_link_is_refused(path: Path, connect: Connect) -> None:
    journal = Path(f"{path}-journal")
    journal.rename(path.with_name("elsewhere"))
    journal.symlink_to(path.with_name("elsewhere"))

    with pytest.raises(OperationalError, match="symbolic links"):
        connect().ensure_connection()
