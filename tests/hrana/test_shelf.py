"""Files beside the databases: written once or added to, kept for their time, cleared after it."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hrana.shelf import DIRECTORY, KEY_BYTES, LOG, LOG_KEPT_S, TEXTS, TEXTS_KEPT_S, Shelf
from sqlatch.kernel.errors import StorageError


@pytest.fixture
def shelf(directory: Path) -> Shelf:
    return Shelf(directory)


def path_of(directory: Path, name: str) -> Path:
    return directory / DIRECTORY / name


def test_one_key_is_made_by_all_who_begin_at_once(directory: Path) -> None:
    shelves = [Shelf(directory) for _number in range(5)]
    assert len({shelf.key() for shelf in shelves}) == 1
    assert [path.name for path in (directory / DIRECTORY).iterdir()] == ["key"]
    assert len(shelves[0].key()) == KEY_BYTES


def test_a_file_of_the_shelf_is_added_to_only_by_who_knows_its_end(directory: Path) -> None:
    shelf = Shelf(directory)
    name = shelf.put("log", b"one")
    assert shelf.append(name, 3, b"two")
    assert not shelf.append(name, 3, b"2!")
    assert not shelf.append("log-gone", 3, b"two")
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
        assert not shelf.append(name, 6, b"three")
        holder.communicate()
    assert shelf.append(name, 6, b"")

    assert (shelf.get(name, 3), shelf.get(name, 6)) == (b"one", b"onetwo")
    assert shelf.get(name, 7) is None


def test_what_is_kept_is_nobody_elses_to_read(shelf: Shelf, directory: Path) -> None:
    name = shelf.put(LOG, b"secret")

    assert stat.S_IMODE((directory / DIRECTORY).stat().st_mode) == 0o700
    assert stat.S_IMODE(path_of(directory, name).stat().st_mode) == 0o600
    assert shelf.get(name) == b"secret"


def test_names_cannot_be_guessed(shelf: Shelf) -> None:
    names = {shelf.put(TEXTS, b"") for _time in range(20)}

    assert len(names) == 20
    assert all(len(name.removeprefix("texts-")) >= 48 for name in names)


def test_a_file_is_cleared_when_its_time_is_over_and_the_key_never(
    shelf: Shelf, directory: Path
) -> None:
    log, texts = shelf.put(LOG, b"l"), shelf.put(TEXTS, b"t")
    key = shelf.key()
    for path in (directory / DIRECTORY).iterdir():
        os.utime(path, (1_000, 1_000))

    assert shelf.clear(1_000 + LOG_KEPT_S) == 0
    assert shelf.clear(1_000 + LOG_KEPT_S + 1) == 1
    assert (shelf.get(log), shelf.get(texts)) == (None, b"t")
    assert shelf.clear(1_000 + TEXTS_KEPT_S + 1) == 1
    assert (shelf.get(texts), shelf.key()) == (None, key)


def test_a_file_that_is_touched_or_added_to_is_kept_for_longer(
    shelf: Shelf, directory: Path
) -> None:
    texts, log = shelf.put(TEXTS, b"t"), shelf.put(LOG, b"l")
    for path in (directory / DIRECTORY).iterdir():
        os.utime(path, (1_000, 1_000))

    shelf.touch(texts)
    shelf.append(log, 1, b"more")
    shelf.touch("texts-gone")

    assert shelf.clear(1_000 + TEXTS_KEPT_S + 1) == 0


def test_a_service_without_streams_has_nothing_to_clear(shelf: Shelf) -> None:
    assert shelf.clear(2e10) == 0
    assert shelf.get("log-gone") is None


def test_a_directory_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / DIRECTORY).write_text("a file")
    shelf = Shelf(tmp_path)

    for ask in (shelf.key, lambda: shelf.put(LOG, b""), lambda: shelf.clear(0)):
        with pytest.raises(StorageError, match="the directory of the streams"):
            ask()
