"""Calls to S3, on moto; and answers that are none."""

import pytest

from sqlatch.kernel.aws import errors
from sqlatch.kernel.aws.s3 import Bucket
from tests.sqlatch import socket_server
from tests.sqlatch.aws.test_dynamodb import answer

pytestmark = pytest.mark.usefixtures("keys")

KEYS = ["a/b/1.ltx", "a b+c&d=e%20?#", "é/ü.ltx", "x//y/./z/../w", "~-_.!*'()", "a\tb"]


@pytest.mark.parametrize("key", KEYS)
def test_an_object_is_put_read_listed_and_deleted_under_any_key(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"content", metadata={"litestream-timestamp": "2026"})

    assert bucket.get(key) == b"content"
    assert bucket.size(key) == 7
    assert [(found.key, found.size) for found in bucket.list("").objects] == [(key, 7)]
    bucket.delete(key)
    bucket.delete(key)
    with pytest.raises(errors.NotFound):
        bucket.get(key)
    with pytest.raises(errors.NotFound):
        bucket.size(key)


def test_a_part_of_an_object_is_read(bucket: Bucket) -> None:
    bucket.put("k", b"0123456789")

    assert bucket.get("k", first=2, last=4) == b"234"
    assert bucket.get("k", first=8, last=99) == b"89"
    assert bucket.get("k", first=7) == b"789"
    assert bucket.get("k", first=0, last=0) == b"0"
    with pytest.raises(errors.Refused) as refused:
        bucket.get("k", first=10)
    assert refused.value.code == "InvalidRange"


def test_a_put_of_what_must_be_new_does_not_replace(bucket: Bucket) -> None:
    bucket.put("k", b"first", only_new=True)

    with pytest.raises(errors.ConditionFailed):
        bucket.put("k", b"second", only_new=True)

    assert bucket.get("k") == b"first"


def test_a_listing_goes_on_page_by_page(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sqlatch.kernel.aws.s3.PAGE_KEYS", 2)
    for key in ("a/1", "a/2", "a/3", "a/4", "a/5", "b/1"):
        bucket.put(key, b"")

    found, more, pages = [], None, 0
    while True:
        page = bucket.list("a/", after="a/1", more=more)
        found += [listed.key for listed in page.objects]
        pages, more = pages + 1, page.more
        if more is None:
            break

    assert (found, pages) == (["a/2", "a/3", "a/4", "a/5"], 2)


def test_a_bucket_that_is_not_there_is_named(
    moto_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", moto_url)
    bucket = Bucket("nowhere")

    with pytest.raises(errors.Refused) as refused:
        bucket.get("k")
    bucket.close()

    assert (type(refused.value), refused.value.code) == (errors.Refused, "NoSuchBucket")


def refusal(status: int, code: str) -> bytes:
    return answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())


NO_ANSWERS: dict[str, tuple[bytes, type[errors.AwsError]]] = {
    "slow down": (refusal(503, "SlowDown"), errors.Throttled),
    "an internal error": (refusal(500, "InternalError"), errors.ServerFailed),
    "at the same time as another": (
        refusal(409, "ConditionalRequestConflict"), errors.ServerFailed
    ),
    "too slow": (refusal(400, "RequestTimeout"), errors.ServerFailed),
    "not permitted": (refusal(403, "AccessDenied"), errors.Refused),
    "a proxy's page": (answer(502, b"<html>"), errors.ServerFailed),
    "the whole object": (answer(200, b"0123456789"), errors.Garbled),
    "another part": (answer(206, b"345", content_range="bytes 3-5/10"), errors.Garbled),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_ANSWERS)
def test_an_answer_that_is_none_is_named(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content, kind = NO_ANSWERS[case]

    with socket_server.running(content) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        bucket = Bucket("b")
        with pytest.raises(errors.AwsError) as failed:
            bucket.get("k", first=2, last=4)
        bucket.close()

    assert type(failed.value) is kind


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"<a/>", b"<a><IsTruncated>true</IsTruncated></a>"]
)
def test_a_listing_that_is_none_is_garbled(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket_server.running(answer(200, content)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        bucket = Bucket("b")
        with pytest.raises(errors.Garbled):
            bucket.list("")
        bucket.close()
