"""The directory of a log: what is not there, and what it is asked."""

from functools import partial
from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.directory import DirectoryLog
from tests.storage.log.logs import DEADLINE_S, ID, commit, counted_calls, log_in, ready


def test_what_each_operation_asks_of_the_directory(root: Path) -> None:
    """On NFS each of these calls is an operation."""
    writer, reader = log_in(root), log_in(root)
    commit(writer, b"one")
    reader.sync(DEADLINE_S)

    with counted_calls() as nothing_new:
        reader.sync(DEADLINE_S)
    with counted_calls() as before_append:
        ready(writer)
    with counted_calls() as appended:
        writer.append(ID, b"two")
    with counted_calls() as one_new:
        assert len(reader.sync(DEADLINE_S)) == 1

    assert nothing_new == before_append == ["pread"]
    assert appended == ["pwrite", "statx"]
    assert one_new == ["pread", "statx"]


def test_a_directory_that_is_gone_is_a_storage_error(root: Path) -> None:
    root.parent.parent.rmdir()

    for ask in (
        partial(DirectoryLog.sync, deadline_s=DEADLINE_S),
        partial(ready, seal=True),
        DirectoryLog.is_there,
        partial(DirectoryLog.begin, txid=1, base=b"01234567"),
    ):
        with pytest.raises(StorageError, match=f"No such file or directory: {root.parent.parent}"):
            ask(log_in(root))
