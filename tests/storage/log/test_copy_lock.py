"""The lock of a copy: readers of this process are waited for, and errors are the contract's."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest

from sqlatch.kernel.errors import DatabaseBusy, StorageError
from storage.log.copy_lock import CopyLock


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    with closing(apsw.Connection(str(tmp_path / "db"))) as connection:
        connection.execute("CREATE TABLE t (n)")
    return tmp_path / "db"


def test_a_reader_in_its_transaction_is_waited_for_until_the_deadline(copy: Path) -> None:
    lock = CopyLock("main", lambda: 1.0)
    lock.open(copy, None)

    with closing(apsw.Connection(str(copy))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        with (
            pytest.raises(DatabaseBusy, match="a reader keeps an earlier state open"),
            lock.held(0),
        ):
            pass
        reader.execute("COMMIT")
        with lock.held(0), pytest.raises(apsw.BusyError):
            reader.execute("SELECT * FROM t").fetchall()
    lock.close()


def test_a_file_that_cannot_be_opened_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        CopyLock("main", lambda: 1.0).open(tmp_path / "none" / "db", None)
