"""Objects below a prefix of a bucket, on moto."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.connection import Connection
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import StorageError
from storage.deadline import within
from storage.log import objects
from storage.log.answers import NoAnswer
from storage.log.objects import Objects, answered_in_time
from tests.storage.log.clouds import Cloud

pytestmark = pytest.mark.parametrize("cloud", ["moto", "quick"], indirect=True)


def test_an_object_is_read_whole_and_in_parts(cloud: Cloud) -> None:
    cloud.objects.put("main/one", b"0123456789")
    cloud.objects.put("main/one", b"abcdefghij")

    assert cloud.objects.get("main/one") == b"abcdefghij"
    assert cloud.objects.get("main/one", 2, 3) == b"cde"
    assert cloud.objects.get("main/one", 8, 100) == b"ij"
    assert cloud.objects.get("main/one", 4) == b"efghij"
    assert cloud.objects.get("main/one", 10, 5) == b""
    assert cloud.objects.get("main/none") is None


def test_objects_are_listed_by_prefix_in_order_and_deleted(cloud: Cloud) -> None:
    for key in ("main/b", "main/a", "other/c"):
        cloud.objects.put(key, b"12345")

    assert [(each.key, each.size_bytes) for each in cloud.objects.list("main/")] == [
        ("main/a", 5),
        ("main/b", 5),
    ]
    assert all(abs(each.written_s - time.time()) < 600 for each in cloud.objects.list())
    cloud.objects.delete("main/a")
    cloud.objects.delete("main/a")
    assert [each.key for each in cloud.objects.list()] == ["main/b", "other/c"]


def test_a_bucket_that_is_not_there_is_a_named_error(cloud: Cloud) -> None:
    with pytest.raises(StorageError, match="NoSuchBucket"):
        Objects("no-such-bucket", "").get("key")
    with pytest.raises(StorageError, match="NoSuchBucket"):
        list(Objects("no-such-bucket", "").list())


def test_a_server_that_is_away_gives_no_answer(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(NoAnswer):
        Objects("bucket", "").get("key")


@pytest.mark.parametrize("left_s", [0.0, 0.1, 0.4, 1.0])
def test_calls_that_are_not_answered_end_with_the_time_of_their_block(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, left_s: float
) -> None:
    clock = SimpleNamespace(now_s=1_000.0)

    def sleep(seconds: float) -> None:
        clock.now_s += seconds

    monkeypatch.setattr(objects, "time", SimpleNamespace(time=lambda: clock.now_s, sleep=sleep))

    def ask() -> None:
        raise NoAnswer("away", may_land=False)

    with within(1_000.0 + left_s), pytest.raises(StorageError, match="away"):
        answered_in_time(ask)
    assert clock.now_s <= 1_000.0 + left_s


def test_each_call_has_the_deadline_of_its_block(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud.objects.put("main/one", b"1")
    asked = []
    ask = Connection.ask

    def asking(self: Connection, request: Request, **options: Any) -> Answer:
        asked.append(options["deadline_s"])
        return ask(self, request, **options)

    monkeypatch.setattr(Connection, "ask", asking)
    ends_s = time.time() + 60
    with within(ends_s):
        cloud.objects.get("main/one")
        list(cloud.objects.list())
        cloud.objects.put("main/two", b"2")
        cloud.objects.put_new("main/three", b"3")
        cloud.objects.delete("main/one")

    assert asked == [ends_s] * 5
    with within(time.time() - 1), pytest.raises(NoAnswer, match="time"):
        cloud.objects.get("main/two")
