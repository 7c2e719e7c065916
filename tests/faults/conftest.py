"""The fault campaigns' directory, in memory where there is one; searches without a collector."""

import gc
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.log_scenarios import make_small

SHARED_MEMORY = Path("/dev/shm")


@pytest.fixture
def no_collector() -> Iterator[None]:
    """For a search: it keeps a million tuples without a cycle, which Python would walk again and
    again, for a third of the time."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes of a log that a few rows reach."""
    make_small(monkeypatch)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """Where a sync costs nothing, since each of these tests makes many thousands."""
    with tempfile.TemporaryDirectory(
        prefix="sqlatch-", dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else tmp_path
    ) as made:
        directory = Path(made) / "databases"
        directory.mkdir()
        yield directory
