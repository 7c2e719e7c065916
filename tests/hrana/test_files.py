"""Files beside the databases: written once or added to, kept for their time, cleared after it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hrana.files import DIRECTORY, KEY_BYTES, LOG, LOG_KEPT_S, TEXTS, TEXTS_KEPT_S, StreamFiles
from sqlatch.kernel.errors import StorageError


@pytest.fixture
def files(directory: Path) -> StreamFiles:
    return StreamFiles(directory)


def path_of(directory: Path, name: str) -> Path:
    return directory / DIRECTORY / name


def test_one_key_is_made_by_all_who_begin_at_once(directory: Path) -> None:
    several = [StreamFiles(directory) for _number in range(5)]
    assert len({files.key() for files in several}) == 1
    assert [path.name for path in (directory / DIRECTORY).iterdir()] == ["key"]
    assert len(several[0].key()) == KEY_BYTES


def test_a_file_of_the_shelf_is_added_to_only_by_who_knows_its_end(directory: Path) -> None:
    files = StreamFiles(directory)
    name = files.put("log", b"one")
    assert files.append(name, 3, b"two")
    assert not files.append(name, 3, b"2!")
    assert not files.append("log-gone", 3, b"two")
    # In this process the lock would be shared.
    locking = "import fcntl, sys; file = open(sys.argv[1], 'r+b');"
    locking += " fcntl.lockf(file, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", locking, str(directory / DIRECTORY / name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert not files.append(name, 6, b"three")
        holder.communicate()
    assert files.append(name, 6, b"")

    assert (files.get(name, 3), files.get(name, 6)) == (b"one", b"onetwo")
    assert files.get(name, 7) is None


def test_what_is_kept_is_nobody_elses_to_read(files: StreamFiles, directory: Path) -> None:
    name = files.put(LOG, b"secret")

    assert stat.S_IMODE((directory / DIRECTORY).stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(directory, name).stat().st_mode) == 0o600
    assert files.get(name) == b"secret"


def test_names_cannot_be_guessed(files: StreamFiles) -> None:
    names = {files.put(TEXTS, b"") for _time in range(20)}

    assert len(names) == 20
    assert all(len(name.removeprefix("texts-")) >= 48 for name in names)


def test_a_file_is_cleared_when_its_time_is_over_and_the_key_never(
    files: StreamFiles, directory: Path
) -> None:
    log, texts = files.put(LOG, b"l"), files.put(TEXTS, b"t")
    key = files.key()
    for path in (directory / DIRECTORY).iterdir():
        os.utime(path, (1_000, 1_000))

    assert files.clear(1_000 + LOG_KEPT_S) == 0
    assert files.clear(1_000 + LOG_KEPT_S + 1) == 1
    assert (files.get(log), files.get(texts)) == (None, b"t")
    assert files.clear(1_000 + TEXTS_KEPT_S + 1) == 1
    assert (files.get(texts), files.key()) == (None, key)


def test_a_file_that_is_touched_or_added_to_is_kept_for_longer(
    files: StreamFiles, directory: Path
) -> None:
    texts, log = files.put(TEXTS, b"t"), files.put(LOG, b"l")
    for path in (directory / DIRECTORY).iterdir():
        os.utime(path, (1_000, 1_000))

    files.touch(texts)
    files.append(log, 1, b"more")
    files.touch("texts-gone")

    assert files.clear(1_000 + TEXTS_KEPT_S + 1) == 0


def test_a_service_without_streams_has_nothing_to_clear(files: StreamFiles) -> None:
    assert files.clear(2e10) == 0
    assert files.get("log-gone") is None


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).write_text("a file")
    files = StreamFiles(tmp_path)

    for ask in (files.key, lambda: files.put(LOG, b""), lambda: files.clear(0)):
        with pytest.raises(StorageError, match="the directory of the streams"):
            ask()
