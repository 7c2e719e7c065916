"""The files of streams in a directory: modes and locks. The contract is in test_files.py."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hrana.directory import DIRECTORY, StreamFiles
from hrana.files import LOG
from sqlatch.kernel.errors import StorageError


@pytest.fixture
def files(directory: Path) -> StreamFiles:
    return StreamFiles(directory)


def path_of(directory: Path, name: str) -> Path:
    return directory / DIRECTORY / name


def test_only_the_key_is_left_by_those_who_made_one(directory: Path) -> None:
    several = [StreamFiles(directory) for _number in range(5)]

    assert len({files.key() for files in several}) == 1
    assert [path.name for path in (directory / DIRECTORY).iterdir()] == ["key"]


def test_a_file_is_not_added_to_while_another_process_does(
    files: StreamFiles, directory: Path
) -> None:
    name = files.put(LOG, b"one")
    # In this process the lock would be shared.
    locking = "import fcntl, sys; file = open(sys.argv[1], 'r+b');"
    locking += " fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", locking, str(path_of(directory, name))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert not files.append(name, 3, b"two")
        holder.communicate()
    assert files.append(name, 3, b"two")


def test_what_is_kept_is_nobody_elses_to_read(files: StreamFiles, directory: Path) -> None:
    name = files.put(LOG, b"secret")

    assert stat.S_IMODE((directory / DIRECTORY).stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(directory, name).stat().st_mode) == 0o600
    assert files.get(name) == b"secret"


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).write_text("a file")
    files = StreamFiles(tmp_path)

    for ask in (files.key, lambda: files.put(LOG, b""), lambda: files.clear(0)):
        with pytest.raises(StorageError, match="the directory of the streams"):
            ask()
