"""The contract of the files of streams, held by a directory and by a table."""

import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from hrana.directory import DIRECTORY, StreamFiles
from hrana.files import KEY_BYTES, LOG, LOG_KEPT_S, TEXTS, TEXTS_KEPT_S, Files
from hrana.items import StreamItems
from hrana.table import Table
from sqlatch.kernel.aws.dynamodb import DynamoDB
from tests.dynamodb_server import CREDENTIALS, create_log

AT_ONCE = 4
TURNS = 10
LONG_AGO_S = 1_000.0


class Streams(Protocol):
    """The place of the files of one service, which other processes may be told of."""

    def open(self) -> Files:
        """Return what an instance has of them."""

    def put_long_ago(self, kind: str, content: bytes) -> str:
        """Return the name of a file that was put at `LONG_AGO_S`."""


@dataclass(frozen=True)
class InDirectory:
    databases: Path

    def open(self) -> Files:
        return StreamFiles(self.databases)

    def put_long_ago(self, kind: str, content: bytes) -> str:
        name = self.open().put(kind, content)
        os.utime(self.databases / DIRECTORY / name, (LONG_AGO_S, LONG_AGO_S))
        return name


@dataclass(frozen=True)
class InTable:
    table: str

    def open(self) -> Files:
        return StreamItems(Table(self.table, DynamoDB().call))

    def put_long_ago(self, kind: str, content: bytes) -> str:
        return StreamItems(Table(self.table, DynamoDB().call), now=lambda: LONG_AGO_S).put(
            kind, content
        )


@pytest.fixture(params=["directory", "table"])
def streams(
    request: pytest.FixtureRequest, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> Streams:
    if request.param == "directory":
        return InDirectory(directory)
    url = request.getfixturevalue("moto_url")
    for variable, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(variable, value)
    name = f"streams-{uuid4()}"
    create_log(url, name)
    return InTable(name)


@pytest.fixture
def files(streams: Streams) -> Files:
    return streams.open()


@pytest.fixture
def others() -> Iterator[ProcessPoolExecutor]:
    """Other processes: within one, a file's locks are shared."""
    with ProcessPoolExecutor(AT_ONCE, mp_context=get_context("spawn")) as pool:
        yield pool


def key_of(streams: Streams) -> bytes:
    return streams.open().key()


def take_turns(streams: Streams, name: str, number: int) -> list[bytes]:
    """Go on from the file's end until that has been possible a few times; return what was added."""
    files = streams.open()
    added: list[bytes] = []
    while len(added) < TURNS:
        content = files.get(name)
        assert content is not None
        more = f"{number}-{len(added)} ".encode()
        if files.append(name, len(content), more):
            added.append(more)
    return added


def test_one_key_is_made_by_all_who_begin_at_once(
    streams: Streams, others: ProcessPoolExecutor
) -> None:
    keys = list(others.map(key_of, [streams] * AT_ONCE))

    assert len(set(keys)) == 1
    assert len(keys[0]) == KEY_BYTES
    assert streams.open().key() == keys[0]


def test_a_file_is_added_to_only_by_who_knows_its_end(files: Files) -> None:
    name = files.put(LOG, b"one")

    assert files.append(name, 3, b"two")
    assert not files.append(name, 3, b"2!")
    assert not files.append(name, 4, b"2!")
    assert files.append(name, 6, b"")
    assert (files.get(name, 3), files.get(name, 6), files.get(name)) == (
        b"one", b"onetwo", b"onetwo",
    )  # fmt: skip
    assert files.get(name, 7) is None


def test_of_all_who_go_on_from_one_end_one_does(
    streams: Streams, others: ProcessPoolExecutor
) -> None:
    name = streams.open().put(LOG, b"begin ")

    working = [others.submit(take_turns, streams, name, number) for number in range(AT_ONCE)]
    added = [more for worker in working for more in worker.result()]

    content = streams.open().get(name)
    assert content is not None
    assert len(added) == AT_ONCE * TURNS
    assert sorted(content.split()) == sorted(b"".join([b"begin ", *added]).split())


def test_a_large_file_is_kept_whole(streams: Streams) -> None:
    begin, more, small = os.urandom(4_400_000), os.urandom(4_100_000), b"small"
    files = streams.open()

    name = files.put(LOG, begin)
    assert files.append(name, len(begin), more)
    assert files.append(name, len(begin) + len(more), small)

    assert files.get(name, len(begin)) == begin
    assert files.get(name, len(begin) + len(more)) == begin + more
    assert files.get(name) == begin + more + small
    assert files.clear(time.time() + LOG_KEPT_S + 1) == 1
    assert files.get(name) is None


def test_names_cannot_be_guessed(files: Files) -> None:
    names = {files.put(TEXTS, b"t") for _time in range(20)}

    assert len(names) == 20
    assert all(len(name.removeprefix("texts-")) >= 48 for name in names)


def test_a_file_is_cleared_when_its_time_is_over_and_the_key_never(streams: Streams) -> None:
    files = streams.open()
    key = files.key()
    log, texts = streams.put_long_ago(LOG, b"l"), streams.put_long_ago(TEXTS, b"t")

    assert files.clear(LONG_AGO_S + LOG_KEPT_S) == 0
    assert files.clear(LONG_AGO_S + LOG_KEPT_S + 1) == 1
    assert (files.get(log), files.get(texts)) == (None, b"t")
    assert files.clear(LONG_AGO_S + TEXTS_KEPT_S + 1) == 1
    assert (files.get(texts), files.key(), streams.open().key()) == (None, key, key)


def test_a_file_that_is_touched_or_added_to_is_kept_for_longer(streams: Streams) -> None:
    files = streams.open()
    log, texts = streams.put_long_ago(LOG, b"l"), streams.put_long_ago(TEXTS, b"t")

    files.touch(texts)
    assert files.append(log, 1, b"more")

    assert files.clear(LONG_AGO_S + TEXTS_KEPT_S + 1) == 0
    assert (files.get(log), files.get(texts)) == (b"lmore", b"t")


def test_what_was_cleared_is_gone(streams: Streams) -> None:
    files = streams.open()
    name = streams.put_long_ago(LOG, b"one")
    assert files.clear(time.time()) == 1

    files.touch(name)

    assert not files.append(name, 3, b"two")
    assert (files.get(name), files.get(name, 3)) == (None, None)
    assert files.clear(2e10) == 0


def test_a_service_without_streams_has_nothing_to_clear(files: Files) -> None:
    assert files.clear(2e10) == 0
    assert files.get("log-gone") is None
