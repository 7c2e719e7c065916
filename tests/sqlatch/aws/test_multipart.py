"""Objects that are made of parts, on moto; and answers that fail behind a good status."""

from contextlib import closing

import pytest

from sqlatch.kernel.aws import errors
from sqlatch.kernel.aws.multipart import PART_BYTES_MIN, Parts, Upload
from sqlatch.kernel.aws.s3 import Bucket
from tests.sqlatch import socket_server
from tests.sqlatch.aws.test_dynamodb import answer

pytestmark = pytest.mark.usefixtures("keys")

LONG = bytes(range(256)) * (PART_BYTES_MIN // 256)
KEY = "a b/new é.ltx"


def test_an_object_is_made_of_parts_that_are_sent_and_copied(bucket: Bucket) -> None:
    parts = Parts(bucket)
    bucket.put("old +&/é.ltx", b"012" + LONG + b"345")

    upload = parts.begin(KEY, {"litestream-timestamp": "2026"})
    tags = [
        parts.send(upload, 1, LONG[::-1]),
        parts.copy(upload, 2, "old +&/é.ltx", first=3, last=2 + len(LONG)),
        parts.send(upload, 3, b"end"),
    ]
    with pytest.raises(errors.NotFound):
        bucket.get(KEY)
    parts.complete(upload, tags)

    assert bucket.get(KEY) == LONG[::-1] + LONG + b"end"


def test_an_object_that_must_be_new_does_not_replace(bucket: Bucket) -> None:
    parts = Parts(bucket)
    upload = parts.begin(KEY)
    tag = parts.send(upload, 1, b"second")
    bucket.put(KEY, b"first")

    with pytest.raises(errors.ConditionFailed):
        parts.complete(upload, [tag], only_new=True)

    assert bucket.get(KEY) == b"first"


def test_what_was_aborted_cannot_be_completed(bucket: Bucket) -> None:
    parts = Parts(bucket)
    upload = parts.begin(KEY)
    tag = parts.send(upload, 1, b"content")

    parts.abort(upload)

    with pytest.raises(errors.AwsError):  # moto has no name for it
        parts.complete(upload, [tag])
    with pytest.raises(errors.NotFound):
        bucket.get(KEY)


def failing(code: str) -> bytes:
    return answer(200, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (failing("InternalError"), errors.ServerFailed),
        (failing("SlowDown"), errors.Throttled),
        (failing("PreconditionFailed"), errors.ConditionFailed),
        (answer(200, b"<html"), errors.Garbled),
        (answer(200, b""), errors.Garbled),
    ],
)
def test_a_status_that_came_before_the_failure_is_not_believed(
    content: bytes, kind: type[errors.AwsError], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket_server.running(content) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        # A connection each: a call that is sent again on a new one may have happened before.
        with closing(Bucket("b")) as bucket, pytest.raises(errors.AwsError) as completed:
            Parts(bucket).complete(Upload("k", "id"), ["tag"], only_new=True)
        with closing(Bucket("b")) as bucket, pytest.raises(errors.AwsError) as copied:
            Parts(bucket).copy(Upload("k", "id"), 1, "old", first=0, last=9)

    assert {type(completed.value), type(copied.value)} == {kind}


def test_a_part_without_its_tag_is_garbled(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket_server.running(answer(200, b"")) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
        bucket = Bucket("b")
        with pytest.raises(errors.Garbled):
            Parts(bucket).send(Upload("k", "id"), 1, b"content")
        bucket.close()
