"""The file in which the processes of a node find who leads."""

import shutil
from pathlib import Path

import pytest

from handler.nodes.standing import HEAD, Standing, StandingFile
from sqlatch.kernel.errors import StorageError

STANDING = Standing(12.5, "https://one", 7, "v1", 1.0, 2.0, 10.0, 22.5, 12.0)


def test_what_one_process_writes_another_reads(tmp_path: Path) -> None:
    one, other = (StandingFile(tmp_path, "https://one") for _process in range(2))
    assert other.read() == Standing()
    with one.locked():
        one.write(STANDING)
    assert other.read() == STANDING
    assert StandingFile(tmp_path, "https://other").read() == Standing()


def test_of_another_boot_nothing_is_known(tmp_path: Path) -> None:
    one, other = (StandingFile(tmp_path, "https://one") for _process in range(2))
    one._boot_id = "before"
    one.write(STANDING)
    assert other.read() == Standing()


def test_a_write_that_is_not_whole_says_nothing(tmp_path: Path) -> None:
    file = StandingFile(tmp_path, "https://one")
    file.write(STANDING)
    file._map[HEAD.size + 3] ^= 1
    assert file.read() == Standing()


def test_who_steps_down_waits_for_writes_and_lets_none_begin(tmp_path: Path) -> None:
    one, other = (StandingFile(tmp_path, "https://one") for _process in range(2))
    with one.writing(), other.writing(), pytest.raises(BlockingIOError), one.alone():
        pass
    with one.alone(), pytest.raises(BlockingIOError), other.writing():
        pass


def test_a_lock_that_cannot_be_opened_is_told_of_as_storage_that_fails(tmp_path: Path) -> None:
    file = StandingFile(tmp_path, "https://one")
    shutil.rmtree(tmp_path)
    for lock in (file.locked, file.writing, file.alone):
        with pytest.raises(StorageError, match="No such file"), lock():
            pass
