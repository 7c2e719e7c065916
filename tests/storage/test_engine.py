"""The part of every engine that is not its contract, which is in test_contract.py."""

import time
from contextlib import closing
from pathlib import Path

import pytest

from sqlatch.kernel.errors import Constraint, DatabaseCorrupt, StatementError, StorageError
from storage.engine import Store, Table, closed_on_failure
from storage.inplace.engine import InPlace
from storage.translate import DatabaseReplaced, RecoveryNeeded
from tests.grants import granted

TABLE = Table("ours", "CREATE TABLE IF NOT EXISTS ours (a)")


def fail(store: Store, error: Exception) -> None:
    with closed_on_failure(store):
        raise error


@pytest.mark.parametrize(
    ("error", "closes"),
    [
        (StorageError("no"), True),
        (DatabaseCorrupt("no"), True),
        (RecoveryNeeded("no"), True),
        (DatabaseReplaced("no"), True),
        (StatementError("no"), False),
        (Constraint("no"), False),
        (ZeroDivisionError(), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_connection_is_kept_whose_database_failed(
    tmp_path: Path, error: Exception, *, closes: bool
) -> None:
    with closing(InPlace(tmp_path).open("main", table=TABLE, now=time.time)) as store:
        with store.write(granted(), creates=True) as transaction:
            transaction.commit()
        before = store.snapshot(time.time() + 600)

        with pytest.raises(type(error)):
            fail(store, error)

        assert (store.snapshot(time.time() + 600) is not before) is closes
