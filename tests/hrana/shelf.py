"""The files of the streams of the service under test, wherever they lie."""

import os
import time
from typing import Any, cast

import pytest

from handler.service import service
from hrana import directory, items
from hrana.directory import StreamFiles
from hrana.files import kept_s
from hrana.items import StreamItems
from hrana.table import Table, number

on_each_shelf = pytest.mark.parametrize("environment", ["directory", "table"], indirect=True)
"""Run a test with databases as the engine under test keeps them, and in a table."""


def shelf() -> StreamFiles | StreamItems:
    return cast("StreamFiles | StreamItems", service().stream_files)


def age(seconds: float) -> None:
    """Have all files be that old."""
    kept = shelf()
    if isinstance(kept, StreamItems):
        for item in _items(kept._table, items.FILES):
            expires_at_s = time.time() - seconds + kept_s(item["name"]["S"])
            kept._table.put({**item, "expires_at": number(expires_at_s)})
        return
    then_s = time.time() - seconds
    for path in kept._directory.iterdir():
        os.utime(path, (then_s, then_s))


def size_bytes() -> int:
    """Return the size of all files, without the key."""
    kept = shelf()
    if isinstance(kept, StreamItems):
        return sum(int(item["size_bytes"]["N"]) for item in _items(kept._table, items.FILES))
    return sum(path.stat().st_size for path in kept._directory.iterdir() if "-" in path.name)


def break_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put something in the way of everything that is kept."""
    kept = shelf()
    if isinstance(kept, StreamItems):
        monkeypatch.setattr(kept, "_table", Table("no-such-table", kept._table._once))
    else:
        kept._directory.write_text("in the way")


def count_written(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the sizes of what is written from now on."""
    written: list[int] = []
    write_all, part = directory._write_all, items._part

    def counted(file: Any, content: bytes) -> None:
        written.append(len(content))
        write_all(file, content)

    def counted_part(name: str, offset: int, size_bytes: int, content: bytes) -> Any:
        written.append(len(content))
        return part(name, offset, size_bytes, content)

    monkeypatch.setattr(directory, "_write_all", counted)
    monkeypatch.setattr(items, "_part", counted_part)
    return written


def _items(table: Table, pk: str) -> Any:
    return list(table.query("pk = :pk", {":pk": {"S": pk}}))
