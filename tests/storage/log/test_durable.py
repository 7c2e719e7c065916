"""Files that are whole under their names."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.durable import storage_errors, sync, write_whole


def failing() -> Iterator[bytes]:
    yield b"half"
    raise RuntimeError("the other half")


def test_a_file_is_whole_and_has_its_time(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", [b"a", b"b"], at_ms=1_234_567)
    sync(tmp_path)

    assert (tmp_path / "file").read_bytes() == b"ab"
    assert (tmp_path / "file").stat().st_mtime_ns == 1_234_567 * 1_000_000


def test_of_one_that_fails_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        write_whole(tmp_path / "file", failing(), at_ms=0)

    assert list(tmp_path.iterdir()) == []


def test_one_that_is_there_is_kept(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", [b"first"], at_ms=0)
    write_whole(tmp_path / "file", failing(), at_ms=0)

    assert (tmp_path / "file").read_bytes() == b"first"


def test_an_error_of_the_system_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"No such file or directory: .*none"), storage_errors():
        sync(tmp_path / "none")
