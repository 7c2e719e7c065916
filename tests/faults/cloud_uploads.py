"""Objects of `cloud_buckets` that are made of parts: what S3 refuses is refused."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import md5
from itertools import count, pairwise
from urllib.parse import unquote
from xml.etree.ElementTree import fromstring

PART_BYTES_MIN = 5 << 20
PARTS_MAX = 10_000


class Refused(Exception):
    """S3 refuses a call, with a status and a code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


@dataclass(slots=True)
class Upload:
    key: str
    parts: dict[int, bytes] = field(default_factory=dict)


class Uploads:
    """The objects of one bucket that are being made. `read` returns a whole object, or None."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        self._read = read
        self._uploads: dict[str, Upload] = {}
        self._ids = count(1)

    def begin(self, key: str) -> str:
        upload_id = str(next(self._ids))
        self._uploads[upload_id] = Upload(key)
        return (
            f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></Initiate"
            "MultipartUploadResult>"
        )

    def send(self, upload_id: str, number: int, content: bytes) -> str:
        """Keep a part. Return its entity tag."""
        if not 1 <= number <= PARTS_MAX:
            raise Refused(400, "InvalidArgument")
        self._found(upload_id).parts[number] = content
        return _tag(content)

    def copy(self, upload_id: str, number: int, source: str, range_text: str) -> str:
        """Keep a part that lies in another object, `/<bucket>/<key>`. Return what S3 says."""
        content = self._read(unquote(source).lstrip("/").partition("/")[2])
        if content is None:
            raise Refused(404, "NoSuchKey")
        first, last = map(int, range_text.removeprefix("bytes=").split("-"))
        if not first <= last < len(content):
            raise Refused(400, "InvalidArgument")
        tag = self.send(upload_id, number, content[first : last + 1])
        return f"<CopyPartResult><ETag>{tag}</ETag></CopyPartResult>"

    def complete(self, upload_id: str, body: bytes, *, only_new: bool) -> tuple[str, bytes]:
        """Return the key and the content of an object whose parts are all there."""
        upload = self._found(upload_id)
        listed = [
            (int(part.findtext("{*}PartNumber", "")), part.findtext("{*}ETag", ""))
            for part in fromstring(body).iterfind("{*}Part")
        ]
        if not listed:
            raise Refused(400, "MalformedXML")
        if any(after[0] <= before[0] for before, after in pairwise(listed)):
            raise Refused(400, "InvalidPartOrder")
        if any(tag != _tag(upload.parts.get(number)) for number, tag in listed):
            raise Refused(400, "InvalidPart")
        contents = [upload.parts[number] for number, _tag in listed]
        if any(len(content) < PART_BYTES_MIN for content in contents[:-1]):
            raise Refused(400, "EntityTooSmall")
        if only_new and self._read(upload.key) is not None:
            raise Refused(412, "PreconditionFailed")
        del self._uploads[upload_id]
        return upload.key, b"".join(contents)

    def abort(self, upload_id: str) -> None:
        self._found(upload_id)
        del self._uploads[upload_id]

    def unfinished(self) -> list[str]:
        """Return the keys of the objects of which parts are left."""
        return sorted(upload.key for upload in self._uploads.values())

    def _found(self, upload_id: str) -> Upload:
        if upload_id not in self._uploads:
            raise Refused(404, "NoSuchUpload")
        return self._uploads[upload_id]


def _tag(content: bytes | None) -> str:
    return "" if content is None else f'"{md5(content, usedforsecurity=False).hexdigest()}"'
