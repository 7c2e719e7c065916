"""Snapshots in a bucket that are made of parts: sent, or copied from the snapshot before."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from sqlatch.kernel.errors import StorageError, Timeout
from storage.log import compaction, ltx, objects, upload
from storage.log.answers import NoAnswer
from storage.log.archive import LtxFile
from storage.log.bucket_archive import BucketArchive
from tests.storage.log.clouds import Cloud

SIZE = 65_536
PART_BYTES = 5 << 20
"""S3 takes no smaller part."""
PART_PAGES = -(-PART_BYTES // ltx.stride(SIZE))
PAGES = 4 * PART_PAGES - 10
CALLS = ("begin", "send_part", "copy_part", "complete_new", "abort", "put_new")

Pages = dict[int, bytes]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "PART_BYTES", PART_BYTES)
    monkeypatch.setattr(objects, "PAUSE_S", 0.0)


@pytest.fixture
def archive(cloud: Cloud) -> BucketArchive:
    return BucketArchive(cloud.objects, "main")


class Calls:
    """The calls that make objects, and the bytes that each sends. Some may fail: `failures` are
    those of the next ones, by name, before they are made or `behind`."""

    def __init__(self, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: list[str] = []
        self.bytes_sent = 0
        self.failures: dict[str, list[Exception | None]] = {}
        self.behind = False
        for name in CALLS:
            call = partial(self._noted, name, getattr(cloud.objects, name))
            monkeypatch.setattr(cloud.objects, name, call)

    def _noted(self, name: str, call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        self.names.append(name)
        self.bytes_sent += sum(len(each) for each in arguments if isinstance(each, bytes))
        failures = self.failures.get(name, [])
        failure = failures.pop(0) if failures else None
        if failure is not None and not self.behind:
            raise failure
        result = call(*arguments, **options)
        if failure is not None:
            raise failure
        return result


@pytest.fixture
def calls(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Calls:
    return Calls(cloud, monkeypatch)


def page_of(number: int, at: int) -> bytes:
    return (number * 1_000 + at).to_bytes(8) * (SIZE // 8)


def pieces_of(pages: Pages, count: int, *, last: int) -> tuple[ltx.Header, Iterator[bytes]]:
    header = ltx.Header(page_size=SIZE, pages=count, first=1, last=last, at_ms=last)
    return header, ltx.encode(header, sorted(pages.items()), literal=True)


def put(archive: BucketArchive, pages: Pages, count: int = PAGES) -> LtxFile:
    return archive.put(9, *pieces_of(pages, count, last=1))


def put_changes(archive: BucketArchive, pages: Pages, count: int) -> None:
    header = ltx.Header(page_size=SIZE, pages=count, first=2, last=2, at_ms=2)
    archive.put(1, header, ltx.encode(header, sorted(pages.items())))


def write_snapshot(archive: BucketArchive) -> LtxFile:
    start = archive.start()
    assert start is not None
    return compaction.write_snapshot(archive, start)


def content(cloud: Cloud, file: LtxFile) -> bytes:
    found = cloud.objects.get(str(file.path))
    assert found is not None
    return found


def unfinished(cloud: Cloud) -> bytes:
    """The uploads of the server that are neither completed nor aborted."""
    return cloud.objects._bucket.send("GET", "", query="uploads=", deadline_s=None).body


OLD = {number: page_of(number, 1) for number in range(1, PAGES + 1)}


def test_a_large_snapshot_is_made_of_parts_and_one_that_is_there_is_kept(
    cloud: Cloud, archive: BucketArchive, calls: Calls
) -> None:
    file = put(archive, OLD)

    _header, pieces = pieces_of(OLD, PAGES, last=1)
    assert content(cloud, file) == b"".join(pieces)
    assert calls.names == ["begin", *4 * ["send_part"], "complete_new"]
    assert file.size_bytes == calls.bytes_sent

    cloud.objects.put(str(file.path), b"another's")
    put(archive, OLD)
    assert content(cloud, file) == b"another's"
    put(archive, {1: OLD[1]}, count=1)
    assert content(cloud, file) == b"another's"


MIDDLE = PART_PAGES + PART_PAGES // 2
EDGE = 2 * PART_PAGES


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((PAGES, [1], 2), id="the first page"),
        pytest.param((PAGES, [1, MIDDLE], 3), id="one in the middle"),
        pytest.param((PAGES, [1, EDGE], 3), id="the last of a part"),
        pytest.param((PAGES, [1, EDGE + 1], 3), id="the first of the next"),
        pytest.param((PAGES, [1, MIDDLE, EDGE + 1], 4), id="two parts"),
        pytest.param((PAGES + 9, [1, *range(PAGES + 1, PAGES + 10)], 2), id="more pages"),
        pytest.param((PAGES - 9, [1], 2), id="fewer pages"),
        pytest.param((MIDDLE, [1], 2), id="half of the pages"),
    ],
)
def test_parts_that_did_not_change_are_copied_by_s3(
    cloud: Cloud,
    archive: BucketArchive,
    calls: Calls,
    case: tuple[int, list[int], int],
) -> None:
    count, changed, parts_sent = case
    put(archive, OLD)
    new = {number: page_of(number, 2) for number in changed}
    put_changes(archive, new, count)
    calls.names, calls.bytes_sent = [], 0

    file = write_snapshot(archive)

    kept = {number: page for number, page in {**OLD, **new}.items() if number <= count}
    _header, pieces = pieces_of(kept, count, last=2)
    assert content(cloud, file) == b"".join(pieces)
    assert calls.names.count("send_part") == parts_sent
    assert calls.bytes_sent < parts_sent * (PART_BYTES + ltx.stride(SIZE))
    assert ("copy_part" in calls.names) == (parts_sent < -(-count // PART_PAGES))


def test_ranges_that_follow_each_other_are_one_copy(
    archive: BucketArchive, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(archive, OLD)
    put_changes(archive, {1: page_of(1, 2)}, PAGES)

    calls.names = []
    write_snapshot(archive)
    assert calls.names == ["begin", "send_part", "copy_part", "send_part", "complete_new"]

    monkeypatch.setattr(upload, "COPY_BYTES_MAX", PART_BYTES)
    calls.names = []
    write_snapshot(archive)
    assert calls.names == [
        *("begin", "send_part", "copy_part", "copy_part", "send_part", "complete_new")
    ]


def test_a_snapshot_that_is_damaged_does_not_become_another(
    cloud: Cloud, archive: BucketArchive
) -> None:
    file = put(archive, OLD)
    damaged = bytearray(content(cloud, file))
    damaged[ltx.offset_of(MIDDLE, SIZE) + 100] ^= 1
    cloud.objects.put(str(file.path), bytes(damaged))
    put_changes(archive, {1: page_of(1, 2)}, PAGES)

    with pytest.raises(ltx.Damaged):
        write_snapshot(archive)

    assert [each.last for each in archive.snapshots()] == [1]
    assert unfinished(cloud) == b"[]"


@pytest.mark.parametrize("behind", [False, True])
@pytest.mark.parametrize("call", ["send_part", "copy_part", "complete_new"])
def test_a_call_without_an_answer_is_made_again(
    cloud: Cloud, archive: BucketArchive, calls: Calls, call: str, *, behind: bool
) -> None:
    put(archive, OLD)
    put_changes(archive, {1: page_of(1, 2)}, PAGES)
    calls.names, calls.behind = [], behind
    calls.failures[call] = [NoAnswer("lost", may_land=behind)]

    file = write_snapshot(archive)

    _header, pieces = pieces_of({**OLD, 1: page_of(1, 2)}, PAGES, last=2)
    assert content(cloud, file) == b"".join(pieces)
    assert "abort" not in calls.names


@pytest.mark.parametrize("call", ["send_part", "copy_part", "complete_new"])
def test_what_cannot_be_finished_leaves_no_part(
    cloud: Cloud, archive: BucketArchive, calls: Calls, call: str
) -> None:
    put(archive, OLD)
    put_changes(archive, {1: page_of(1, 2)}, PAGES)
    calls.failures[call] = [StorageError("refused")]

    with pytest.raises(StorageError, match="refused"):
        write_snapshot(archive)

    assert unfinished(cloud) == b"[]"
    assert [each.last for each in archive.snapshots()] == [1]


def test_a_snapshot_that_is_given_up_leaves_no_part(cloud: Cloud) -> None:
    left = 2 * PART_PAGES

    def check() -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Timeout("late")

    with pytest.raises(Timeout):
        put(BucketArchive(cloud.objects, "main", check), OLD)

    assert unfinished(cloud) == b"[]"
    assert list(cloud.objects.list()) == []


def test_a_completion_of_what_is_not_there_is_an_error(cloud: Cloud) -> None:
    making = cloud.objects.begin("main/one")
    tag = cloud.objects.send_part(making, 1, b"content")
    cloud.objects.abort(making)

    with pytest.raises(StorageError, match="NoSuchUpload"):
        cloud.objects.complete_new(making, [tag])
