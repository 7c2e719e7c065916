"""S3 as far as a log asks it: buckets of objects in memory, for `cloud_server`."""

import json
from time import gmtime, strftime, time
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.faults.cloud_uploads import Refused, Uploads

COPIED = ("x-amz-copy-source", "x-amz-copy-source-range")

Stored = tuple[bytes, float]
"""The content of an object, and when it was written."""
Objects = dict[str, Stored]


class Request(NamedTuple):
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Buckets:
    """Objects by bucket and key, in the path style."""

    def __init__(self) -> None:
        self._buckets: dict[str, Objects] = {}
        self._uploads: dict[str, Uploads] = {}

    def answer(self, request: Request) -> Answer:
        try:
            return self._answer(request)
        except Refused as refused:
            text = f"<Error><Code>{refused.code}</Code><Message/></Error>"
            return Answer(refused.status, text.encode())

    def _answer(self, request: Request) -> Answer:
        parts = urlsplit(request.target)
        _, bucket, key = [*unquote(parts.path).split("/", 2), ""][:3]
        if not key and request.method == "PUT":
            self._buckets.setdefault(bucket, {})
            return Answer(200)
        if bucket not in self._buckets:
            raise Refused(404, "NoSuchBucket")
        objects = self._buckets[bucket]
        found = parse_qs(parts.query, keep_blank_values=True)
        query = {name: values[0] for name, values in found.items()}
        if "uploads" in query or "uploadId" in query:
            return self._uploaded(bucket, key, query, request)
        if not key:
            return self._listed(objects, query)
        return _of_object(objects, key, request)

    def _uploaded(self, bucket: str, key: str, query: dict[str, str], request: Request) -> Answer:
        """Answer a call on an object that is made of parts."""
        objects = self._buckets[bucket]
        if bucket not in self._uploads:
            self._uploads[bucket] = Uploads(lambda key: objects.get(key, (None, 0.0))[0])
        uploads = self._uploads[bucket]
        if "uploads" in query and request.method == "GET":
            return Answer(200, json.dumps(uploads.unfinished()).encode())
        if "uploads" in query:
            return Answer(200, uploads.begin(key).encode())
        upload, number = query["uploadId"], int(query.get("partNumber", 0))
        if "x-amz-copy-source" in request.headers:
            source, wanted = (request.headers[name] for name in COPIED)
            return Answer(200, uploads.copy(upload, number, source, wanted).encode())
        if request.method == "PUT":
            return Answer(200, b"", (("etag", uploads.send(upload, number, request.body)),))
        if request.method == "DELETE":
            uploads.abort(upload)
            return Answer(204)
        only_new = "if-none-match" in request.headers
        made, content = uploads.complete(upload, request.body, only_new=only_new)
        objects[made] = (content, time())
        return Answer(200, b"<CompleteMultipartUploadResult/>")

    def _listed(self, objects: Objects, query: dict[str, str]) -> Answer:
        after = query.get("continuation-token", "")
        keys = sorted(key for key in objects if key.startswith(query["prefix"]) and key > after)
        most = int(query["max-keys"])
        found = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(objects[key][0])}</Size><ETag>e</ETag>"
            f"<LastModified>{_iso(objects[key][1])}</LastModified></Contents>"
            for key in keys[:most]
        )
        text = f"<IsTruncated>false</IsTruncated>{found}"
        if len(keys) > most:
            more = f"<NextContinuationToken>{escape(keys[most - 1])}</NextContinuationToken>"
            text = f"<IsTruncated>true</IsTruncated>{more}{found}"
        return Answer(200, f"<ListBucketResult>{text}</ListBucketResult>".encode())


def _of_object(objects: Objects, key: str, request: Request) -> Answer:
    if request.method == "PUT":
        if "if-none-match" in request.headers and key in objects:
            raise Refused(412, "PreconditionFailed")
        objects[key] = (request.body, time())
        return Answer(200)
    if request.method == "DELETE":
        objects.pop(key, None)
        return Answer(204)
    return _part(objects.get(key), request.headers.get("range"))


def _part(stored: Stored | None, wanted: str | None) -> Answer:
    if stored is None:
        raise Refused(404, "NoSuchKey")
    content, _written_s = stored
    if wanted is None:
        return Answer(200, content)
    first, last = wanted.removeprefix("bytes=").split("-")
    if int(first) >= len(content):
        raise Refused(416, "InvalidRange")
    end = min(len(content), int(last) + 1 if last else len(content))
    stated = f"bytes {first}-{end - 1}/{len(content)}"
    return Answer(206, content[int(first) : end], (("content-range", stated),))


def _iso(at_s: float) -> str:
    return strftime("%Y-%m-%dT%H:%M:%S", gmtime(at_s)) + f".{int(at_s % 1 * 1000):03d}Z"
