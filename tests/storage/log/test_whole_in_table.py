"""A database that comes whole to a table and a bucket: its memory, races, and killed makers."""

import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import apsw
import pytest

from sqlatch.kernel.aws.dynamodb import DynamoDB
from sqlatch.kernel.aws.s3 import Bucket
from sqlatch.kernel.errors import BadEvent, Timeout
from storage.engine import Grant
from storage.log import bucket_archive, compaction, copy_file, hydration, keeping, upload
from storage.log.bucket_archive import BucketArchive
from storage.log.cloud import InTable, in_table
from storage.log.floor import BASE
from storage.log.marks import parted
from storage.log.slots import Slot
from storage.log.store import Store
from storage.log.table import Table
from storage.translate import Overtaken
from tests.dynamodb_server import create_log
from tests.storage.log.clouds import Cloud
from tests.storage.log.logs import OURS

Start = Callable[[], InTable]

OLD, NEW = [("old", 40)], [("new", 7)]

LARGE_BYTES = 24 * 1024 * 1024
MEMORY_BYTES_MAX = 16 * 1024 * 1024
"""Two parts of 5 MiB, of which one is being filled, and the buffers of what is read."""


@pytest.fixture
def start(cloud: Cloud, tmp_path: Path) -> Start:
    return lambda: InTable(cloud.table, cloud.objects, Slot("cloud", tmp_path / "copies"))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return copy_of(tmp_path / "old.db", "old", rows=40)


@pytest.fixture
def new(tmp_path: Path) -> Path:
    return copy_of(tmp_path / "new.db", "new", rows=7)


def copy_of(path: Path, text: str, *, rows: int) -> Path:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE t (n, text)")
        connection.execute(
            "WITH RECURSIVE i (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM i WHERE n < ?)"
            " INSERT INTO t SELECT n, ? FROM i",
            (rows, text),
        )
    return path


def opened(engine: InTable) -> Store:
    return engine.open("main", table=OURS, now=time.time)


def soon() -> float:
    return time.time() + 60


def granted() -> Grant:
    return Grant(soon(), fence=0, check=lambda: None, optimistic=True)


def texts(store: Store) -> Any:
    session = store.snapshot(soon())
    assert session.run("PRAGMA integrity_check") == [("ok",)]
    return session.run("SELECT text, count(*) FROM t GROUP BY 1 ORDER BY 1")


def write(store: Store, sql: str) -> None:
    with store.write(granted()) as transaction:
        transaction.connection.run(sql)
        transaction.commit()


def keys(cloud: Cloud) -> list[str]:
    return [each.key for each in cloud.objects.list("main/")]


def lying_ready(cloud: Cloud) -> list[str]:
    return [key for key in keys(cloud) if "base-" in key]


def test_a_database_comes_whole_and_is_written_behind_before_and_after_the_reaper(
    cloud: Cloud, start: Start, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -600)
    start().add("main", old)
    with closing(opened(start())) as one, closing(opened(start())) as other:
        assert texts(one) == texts(other) == OLD
        write(one, "DELETE FROM t WHERE n = 1")
        assert texts(other) == [("old", 39)]

        other.replace(new, granted())

        assert texts(one) == NEW
        write(one, "INSERT INTO t VALUES (8, 'more')")
        assert texts(other) == [("more", 1), *NEW]
        assert one.position == other.position == 4
        assert len(lying_ready(cloud)) == 2
        start().tend("main", soon())
        assert [key for key in keys(cloud) if key.startswith("main/0009/")] == [
            f"main/0009/{1:016x}-{last:016x}.ltx" for last in (1, 3)
        ]
        with closing(opened(start())) as late:
            assert texts(late) == [("more", 1), *NEW]
        write(other, "DELETE FROM t WHERE n = 8")
        start().tend("main", soon())
        assert texts(one) == NEW

        archive = BucketArchive(cloud.objects, "main")
        archive.delete_unfinished(0)
        assert len(lying_ready(cloud)) == 2
        archive.delete_unfinished(soon())
        assert lying_ready(cloud) == []
    with closing(opened(start())) as late:
        assert texts(late) == NEW


def test_a_reader_of_what_lies_ready_writes_nothing(
    start: Start, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start().add("main", old)
    methods: list[str] = []
    send = Bucket.send

    def noting(self: Bucket, method: str, *arguments: Any, **options: Any) -> Any:
        methods.append(method)
        return send(self, method, *arguments, **options)

    monkeypatch.setattr(Bucket, "send", noting)
    with closing(opened(start())) as store:
        assert texts(store) == OLD
    assert set(methods) == {"GET"}


def test_of_two_that_add_at_once_the_first_has_its_own_content(
    cloud: Cloud, start: Start, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_new = Table.put_new

    def later(self: Table, item: Any) -> Any:
        monkeypatch.setattr(Table, "put_new", put_new)
        start().add("main", new)
        return put_new(self, item)

    monkeypatch.setattr(Table, "put_new", later)

    with pytest.raises(BadEvent, match="exists"):
        start().add("main", old)

    with closing(opened(start())) as store:
        assert texts(store) == NEW
    before = keys(cloud)
    with pytest.raises(BadEvent, match="exists"):
        start().add("main", old)
    assert keys(cloud) == before, "nothing is laid ready for a name that is taken"


def test_a_replacement_that_another_commit_overtakes_is_refused(
    cloud: Cloud, start: Start, old: Path, new: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start().add("main", old)
    put_new = Table.put_new

    def later(self: Table, item: Any) -> Any:
        monkeypatch.setattr(Table, "put_new", put_new)
        with closing(opened(start())) as other:
            write(other, "DELETE FROM t WHERE n = 1")
        return put_new(self, item)

    with closing(opened(start())) as store:
        assert texts(store) == OLD
        monkeypatch.setattr(Table, "put_new", later)
        with pytest.raises(Overtaken):
            store.replace(new, granted())
        assert texts(store) == [("old", 39)]
        store.replace(new, granted())
        assert texts(store) == NEW


@pytest.mark.parametrize("fault", ["answer", "request"])
def test_a_replacement_without_an_answer_is_put_again(
    cloud: Cloud, start: Start, old: Path, new: Path, fault: str
) -> None:
    start().add("main", old)
    with closing(opened(start())) as store:
        assert texts(store) == OLD
        cloud.calls.faults["PutItem"] = [fault]

        store.replace(new, granted())

        assert texts(store) == NEW
        assert store.position == 2
        write(store, "DELETE FROM t WHERE n = 1")
    with closing(opened(start())) as other:
        assert texts(other) == [("new", 6)]


@pytest.mark.parametrize("fault", ["answer", "request"])
def test_an_addition_without_an_answer_is_put_again(
    cloud: Cloud, start: Start, old: Path, fault: str
) -> None:
    cloud.calls.faults["PutItem"] = ["", fault]

    start().add("main", old)

    with closing(opened(start())) as store:
        assert texts(store) == OLD


class Killed(BaseException):
    """The end of a process: it calls nothing any more."""


@pytest.fixture
def killed(monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """A function that does something in a process that dies at one of its calls to AWS, before it
    or `behind` it; it returns whether it died."""
    send, call = Bucket.send, DynamoDB.call
    left = [-1]

    def counted(ask: Callable[..., Any], *, behind: bool) -> Callable[..., Any]:
        def asked(*arguments: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] < 0 and not behind:
                raise Killed
            answer = ask(*arguments, **options)
            if left[0] < 0:
                raise Killed
            return answer

        return asked

    def dies(work: Callable[[], object], step: int, *, behind: bool) -> bool:
        left[0] = step
        with monkeypatch.context() as patch:
            patch.setattr(Bucket, "send", counted(send, behind=behind))
            patch.setattr(DynamoDB, "call", counted(call, behind=behind))
            with suppress(Killed):
                work()
                return False
        return True

    return dies


@pytest.fixture
def elsewhere(cloud: Cloud, cloud_url: str, tmp_path: Path) -> Callable[[], Start]:
    """A function that makes a table and a bucket, and returns what starts an instance there."""

    def made() -> Start:
        name = f"log-{uuid4()}"
        create_log(cloud_url, name)
        return lambda: in_table(name, name, "logs/", tmp_path / f"copies-{uuid4()}")

    return made


@pytest.mark.parametrize("behind", [False, True])
def test_an_addition_that_dies_at_any_call_leaves_the_whole_database_or_none(
    elsewhere: Callable[[], Start], new: Path, killed: Callable[..., bool], *, behind: bool
) -> None:
    for step in count():
        start = elsewhere()
        has_died = killed(partial(start().add, "main", new), step, behind=behind)
        again = start()
        with closing(opened(again)) as store:
            there = store.exists(at_once=True)
        assert again.names() == (["main"] if there else [])
        if there:
            with pytest.raises(BadEvent, match="exists"):
                again.add("main", new)
        else:
            again.add("main", new)
        start().tend("main", soon())
        with closing(opened(start())) as store:
            assert texts(store) == NEW
        if not has_died:
            break

    assert step > 2


@pytest.mark.parametrize("behind", [False, True])
def test_a_replacement_that_dies_at_any_call_leaves_the_old_database_or_the_new(
    elsewhere: Callable[[], Start],
    old: Path,
    new: Path,
    killed: Callable[..., bool],
    *,
    behind: bool,
) -> None:
    left = set()
    for step in count():
        start = elsewhere()
        start().add("main", old)
        start().tend("main", soon())
        with closing(opened(start())) as other:
            assert texts(other) == OLD
            replace = partial(opened(start()).replace, new, granted())
            has_died = killed(replace, step, behind=behind)
            found = texts(other)
            assert found in (OLD, NEW)
            assert has_died or found == NEW
            left.add(found[0][0])
            write(other, "DELETE FROM t WHERE n = 1")
        start().tend("main", soon())
        with closing(opened(start())) as third:
            assert texts(third) == [(found[0][0], found[0][1] - 1)]
        if not has_died:
            break

    assert left == {"old", "new"}


def test_what_lies_ready_is_kept_until_the_log_is_further(
    cloud: Cloud, start: Start, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its maker may be frozen before the put that names it, for however long."""
    monkeypatch.setattr(compaction, "DAY_S", -600)
    start().add("main", old)
    base = bytes(8)
    archive = BucketArchive(cloud.objects, "main").arriving(base)
    compaction.write_copy(archive, old, last=2, at_ms=0)
    (frozen,) = [key for key in lying_ready(cloud) if base.hex() in key]

    start().tend("main", soon())
    start().tend("main", soon())
    assert lying_ready(cloud) == [frozen]

    with closing(opened(start())) as store:
        write(store, "DELETE FROM t WHERE n = 1")
    start().tend("main", soon())
    assert lying_ready(cloud) == []


def test_no_record_goes_before_a_snapshot_has_a_name_of_its_own(
    cloud: Cloud, start: Start, old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record that names it is the only one that says that it is the database."""
    monkeypatch.setattr(compaction, "RECORDS_KEPT_S", -600)
    start().add("main", old)
    with closing(opened(start())) as store:
        write(store, "DELETE FROM t WHERE n = 1")
        write(store, "DELETE FROM t WHERE n = 2")

    def late(*_arguments: Any) -> None:
        raise Timeout("late")

    with monkeypatch.context() as patch:
        for module in (compaction, keeping):
            patch.setattr(module, "write_snapshot", late)
        start().tend("main", soon())
    assert [item["sk"] for item in parted(cloud.table.behind("main", BASE))[0]] == [1, 2, 3]
    with closing(opened(start())) as store:
        assert texts(store) == [("old", 38)]

    start().tend("main", soon())
    assert [item["sk"] for item in parted(cloud.table.behind("main", BASE))[0]] == [3]
    with closing(opened(start())) as store:
        assert texts(store) == [("old", 38)]


def test_a_whole_database_is_added_replaced_and_read_in_flat_memory(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_file, "LAZY_BYTES_MIN", 0)
    monkeypatch.setattr(hydration, "AHEAD_BYTES_MAX", 1024 * 1024)
    monkeypatch.setattr(upload, "PART_BYTES", 5 << 20)
    monkeypatch.setattr(bucket_archive, "READ_BYTES", 1 << 20)
    large = copy_of(tmp_path / "large.db", "x" * 2_000, rows=LARGE_BYTES // 2_000)

    tracemalloc.start()
    try:
        start().add("main", large)
        with closing(opened(start())) as store:
            store.replace(large, granted())
            store.snapshot(soon()).run("SELECT text FROM t WHERE rowid = 7")
            store.copy_out(tmp_path / "copied.db", soon())
        start().tend("main", soon())
        _now, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert large.stat().st_size > LARGE_BYTES
    assert most < MEMORY_BYTES_MAX
