"""Snapshots in a bucket: new instances begin with them, records that they cover are removed."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sqlatch.kernel.errors import StorageError, Timeout
from storage.engine import Grant
from storage.log import compaction, copy_file, dynamodb, objects
from storage.log.answers import NoAnswer
from storage.log.bucket_archive import BucketArchive
from storage.log.cloud import InTable
from storage.log.dynamodb import INLINE_BYTES_MAX
from storage.log.floor import BASE
from storage.log.ltx import Header
from storage.log.marks import parted
from storage.log.objects import answered_in_time
from storage.log.slots import Slot
from storage.log.store import Store
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import OURS

Start = Callable[[], InTable]


@pytest.fixture
def start(cloud: Cloud, tmp_path: Path) -> Start:
    return lambda: InTable(cloud.table, cloud.objects, Slot("cloud", tmp_path / "copies"))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are removed as soon as files have them."""
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -600)


@pytest.fixture
def store(start: Start) -> Iterator[Store]:
    with opened(start()) as store:
        write(store, "CREATE TABLE t (n)")
        yield store


def opened(engine: InTable) -> closing[Store]:
    return closing(engine.open("main", table=OURS, now=time.time))


def soon() -> float:
    return time.time() + 10


def write(store: Store, sql: str) -> None:
    grant = Grant(soon(), fence=0, check=lambda: None, optimistic=True)
    with store.write(grant, creates=True) as transaction:
        transaction.connection.run(sql)
        transaction.commit()


def read(store: Store, sql: str = "SELECT n FROM t") -> list[Any]:
    return [n for (n,) in store.snapshot(soon()).run(sql)]


def numbers(cloud: Cloud) -> list[Any]:
    records, _marks = parted(cloud.table.behind("main", BASE))
    return [item["sk"] for item in records]


def levels(cloud: Cloud) -> list[str]:
    return [each.key.split("/")[1][3:] for each in cloud.objects.list("main/000")]


def test_a_new_instance_begins_with_the_files_and_goes_on_in_the_log(
    cloud: Cloud, start: Start, store: Store
) -> None:
    for number in range(5):
        write(store, f"INSERT INTO t VALUES ({number})")
        start().tend("main", soon())
    write(store, "INSERT INTO t VALUES (5)")

    assert numbers(cloud) == [6, 7], "the newest is never removed"
    assert levels(cloud) == ["1"] * 4 + ["9"]
    with opened(start()) as new:
        assert read(new) == list(range(6))
        write(new, "INSERT INTO t VALUES (6)")
    assert read(store) == list(range(7))


def test_an_instance_that_was_left_behind_begins_anew(
    cloud: Cloud, start: Start, store: Store
) -> None:
    with opened(start()) as behind:
        assert read(behind) == []
        for number in range(3):
            write(store, f"INSERT INTO t VALUES ({number})")
        start().tend("main", soon())
        assert numbers(cloud) == [4]

        assert read(behind) == [0, 1, 2]
        write(behind, "INSERT INTO t VALUES (3)")
    assert read(store) == [0, 1, 2, 3]


def test_what_was_put_into_the_void_is_removed(cloud: Cloud, start: Start, store: Store) -> None:
    for number in range(3):
        write(store, f"INSERT INTO t VALUES ({number})")
    start().tend("main", soon())
    cloud.table.put({"pk": "main", "sk": 2, "id": b"void", "log": b"void"})
    write(store, "INSERT INTO t VALUES (3)")

    start().tend("main", soon())

    assert numbers(cloud) == [5]


def test_the_objects_of_large_records_go_with_them(
    cloud: Cloud, start: Start, store: Store
) -> None:
    write(store, f"INSERT INTO t VALUES (hex(randomblob({INLINE_BYTES_MAX})))")
    cloud.objects.put(f"main/large/{2:016x}-{bytes(16).hex()}.ltx", b"lost its race")
    write(store, "DELETE FROM t")
    write(store, f"INSERT INTO t VALUES (hex(randomblob({INLINE_BYTES_MAX})))")

    start().tend("main", soon())

    assert [each.key.split("/")[2][:16] for each in cloud.objects.list("main/large/")] == [
        f"{4:016x}"
    ]
    with opened(start()) as new:
        assert read(new, "SELECT length(n) FROM t") == [2 * INLINE_BYTES_MAX]


def test_a_large_copy_is_fetched_as_it_is_read(
    cloud: Cloud, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    fill = "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < 5000)"
    write(store, f"INSERT INTO t {fill} SELECT hex(randomblob(500)) FROM i")
    write(store, "CREATE TABLE small (n)")
    start().tend("main", soon())
    read_bytes: list[int] = []
    get = cloud.objects.get

    def counting(key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        content = get(key, offset, length)
        read_bytes.append(len(content or b""))
        return content

    monkeypatch.setattr(cloud.objects, "get", counting)
    with opened(start()) as new:
        assert read(new, "SELECT count(*) FROM small") == [0]
        assert sum(read_bytes) < 1_500_000
        assert read(new, "SELECT count(*) FROM t") == [5000]
        write(new, "INSERT INTO small VALUES (1)")
    assert sum(read_bytes) > 5_000_000


def test_a_bucket_that_was_emptied_is_a_named_error(
    cloud: Cloud, start: Start, store: Store
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    start().tend("main", soon())
    for each in cloud.objects.list():
        cloud.objects.delete(each.key)

    with pytest.raises(StorageError, match="no file that leads there"):
        start().tend("main", soon())
    with opened(start()) as new, pytest.raises(StorageError, match="there is no snapshot"):
        read(new)


def test_a_database_that_nobody_wrote_to_costs_the_reaper_three_calls(
    cloud: Cloud, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "INSERT INTO t VALUES (1)")
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", 3600)
    start().tend("main", soon())
    lists: list[str] = []
    monkeypatch.setattr(
        cloud.objects,
        "list",
        lambda prefix, of=cloud.objects.list: lists.append(prefix) or of(prefix),
    )
    cloud.calls.counts.clear()

    start().tend("main", soon())

    assert cloud.calls.counts == {"Query": 1}
    assert lists == ["main/000"]


def test_a_snapshot_is_given_up_at_the_deadline(start: Start, store: Store) -> None:
    with pytest.raises((Timeout, StorageError)):
        start().tend("main", time.time() - 1)


def test_a_file_has_the_time_by_which_litestream_knows_it(cloud: Cloud) -> None:
    archive = BucketArchive(cloud.objects, "main")
    put: list[Any] = []
    cloud.objects.put_new = lambda *arguments: put.append(arguments)

    archive.put(1, Header(4096, 1, 2, 3, at_ms=1_700_000_000_123), [b"content"])

    ((key, content, metadata),) = put
    assert (key, content) == (f"main/0001/{2:016x}-{3:016x}.ltx", b"content")
    assert metadata == {"litestream-timestamp": "2023-11-14T22:13:20.123Z"}


def test_a_bucket_that_does_not_answer_is_asked_again_and_then_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(objects, "PAUSE_S", 0.0)
    failures = [NoAnswer("away", may_land=False)] * 4

    def ask() -> str:
        if failures:
            raise failures.pop()
        return "there"

    assert answered_in_time(ask) == "there"
    failures += [NoAnswer("away", may_land=False)] * 9
    with pytest.raises(StorageError, match="away"):
        answered_in_time(ask)


@pytest.mark.parametrize("size_bytes", [INLINE_BYTES_MAX // 2, 2 * INLINE_BYTES_MAX])
def test_what_is_new_is_merged_in_pieces(
    cloud: Cloud, start: Start, store: Store, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    for _ in range(12):
        write(store, f"INSERT INTO t VALUES (randomblob({size_bytes}))")
    monkeypatch.setattr(dynamodb, "PIECE_BYTES", 1 << 20)
    most = 0
    merge = compaction.merge

    def noting(archive: BucketArchive, records: list[bytes]) -> Any:
        nonlocal most
        most = max(most, sum(map(len, records)))
        return merge(archive, records)

    monkeypatch.setattr(compaction, "merge", noting)

    start().tend("main", soon())

    assert most < (1 << 20) + 2 * size_bytes
    assert len(levels(cloud)) > 2
    with opened(start()) as new:
        assert read(new, "SELECT sum(length(n)) FROM t") == [12 * size_bytes]
