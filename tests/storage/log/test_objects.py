"""Objects below a prefix of a bucket, on moto."""

import time

import pytest

from sqlatch.kernel.errors import StorageError
from storage.log.answers import NoAnswer
from storage.log.objects import Objects
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
