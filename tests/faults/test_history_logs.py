"""A history's logs are kept whole: what the audit lacked would look like a loss."""

import os
from pathlib import Path

import pytest

from storage.log.engine import LOG
from storage.log.segment import SEALED_BYTES
from tests.faults.history_logs import Keeper, kept_in
from tests.storage.log.histories import begun
from tests.storage.log.logs import commit, log_in, newest


def test_what_was_sealed_by_a_process_that_was_killed_then_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the mark of a seal and the segment behind it."""
    monkeypatch.setenv("SQLATCH_LOG", f"directory:{tmp_path}")
    history = begun(tmp_path / "history.db")
    history.fill(1)
    (tmp_path / "a").mkdir()
    root, kept = tmp_path / "a" / LOG, tmp_path / "kept"
    commit(log_in(root), *history.records)
    os.truncate(newest(root), SEALED_BYTES)

    Keeper("a", kept).keep()

    assert list(kept_in(kept)) == history.records
    log = log_in(root)
    log.sync(10)
    commit(log, history.fill(1))
    Keeper("a", kept).keep()
    assert list(kept_in(kept)) == history.records
