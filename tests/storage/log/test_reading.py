"""A read that the system cuts short is gone on with, up to the end of the file."""

import os
from pathlib import Path

import pytest

from storage.log.reading import read_at


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_what_is_asked_for_is_read_as_far_as_the_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    pread = os.pread
    monkeypatch.setattr(
        os, "pread", lambda descriptor, length, at: pread(descriptor, min(length, at_once), at)
    )

    with (tmp_path / "file").open("rb") as file:
        assert read_at(file.fileno(), 4, 3) == b"3456"
        assert read_at(file.fileno(), 20, 3) == b"3456789"
        assert read_at(file.fileno(), 4, 10) == b""
