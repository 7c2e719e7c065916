"""Objects of S3 that are made of parts, each sent or copied from another object.

The object appears whole when its parts are completed. Parts of one that never is are paid for until
it is aborted, by its maker or by a lifecycle rule of the bucket.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlatch.kernel.aws.answer import PRECONDITION_FAILED, SERVER_ERROR, Answer
from sqlatch.kernel.aws.errors import Garbled
from sqlatch.kernel.aws.s3 import (
    Bucket,
    described,
    encoded_key,
    encoded_query,
    error_of,
    parsed,
    text_of,
)

PART_BYTES_MIN = 5 << 20
"""S3 refuses a smaller part, but for the last one."""

PARTS_MAX = 10_000

SILENCE_S = 30.0
"""S3 may say nothing while it copies a part, or puts an object together."""

NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True, slots=True)
class Upload:
    """An object that is being made, by the id that S3 has given to it."""

    key: str
    id: str


class Parts:
    """The calls that make an object of parts, in one bucket; each raises as `Bucket` says.

    A part is known by its number, from 1, and by its entity tag, which `send` and `copy` return.
    """

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    def begin(
        self,
        key: str,
        metadata: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        deadline_s: float | None = None,
    ) -> Upload:
        headers = {**described(metadata), **(headers or {})}
        answer = self._bucket.send(
            "POST", key, query="uploads=", headers=headers, deadline_s=deadline_s
        )
        return Upload(key, text_of(parsed(answer.body), "UploadId"))

    def send(
        self, upload: Upload, number: int, content: bytes, *, deadline_s: float | None = None
    ) -> str:
        query = _of_part(upload, number)
        answer = self._bucket.send(
            "PUT", upload.key, query=query, body=content, deadline_s=deadline_s
        )
        if "etag" not in answer.headers:
            raise Garbled("S3's answer to a part has no entity tag")
        return answer.headers["etag"]

    def copy(
        self,
        upload: Upload,
        number: int,
        source: str,
        *,
        first: int,
        last: int,
        deadline_s: float | None = None,
    ) -> str:
        """Copy the bytes `first` to `last`, both included, of another object of the bucket."""
        answer = self._bucket.send(
            "PUT",
            upload.key,
            query=_of_part(upload, number),
            headers={
                "x-amz-copy-source": f"/{self._bucket.name}{encoded_key(source)}",
                "x-amz-copy-source-range": f"bytes={first}-{last}",
            },
            deadline_s=deadline_s,
            silence_s=SILENCE_S,
        )
        _check(answer)
        return text_of(parsed(answer.body), "ETag")

    def complete(
        self,
        upload: Upload,
        tags: Sequence[str],
        *,
        only_new: bool = False,
        deadline_s: float | None = None,
    ) -> None:
        """Make the object of its parts, whose entity tags are given in their order.

        Under `only_new` ConditionFailed if there is one of that key.
        """
        # Loaded here: whoever reads objects and appends records makes none.
        from xml.sax.saxutils import escape

        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(tag)}</ETag></Part>"
            for number, tag in enumerate(tags, 1)
        )
        text = f'<CompleteMultipartUpload xmlns="{NAMESPACE}">{parts}</CompleteMultipartUpload>'
        answer = self._bucket.send(
            "POST",
            upload.key,
            query=encoded_query({"uploadId": upload.id}),
            headers={"if-none-match": "*"} if only_new else {},
            body=text.encode(),
            deadline_s=deadline_s,
            silence_s=SILENCE_S,
        )
        _check(answer)

    def abort(self, upload: Upload, *, deadline_s: float | None = None) -> None:
        """Delete the parts of an object that is not completed."""
        query = encoded_query({"uploadId": upload.id})
        self._bucket.send("DELETE", upload.key, query=query, deadline_s=deadline_s)


def _of_part(upload: Upload, number: int) -> str:
    return encoded_query({"partNumber": str(number), "uploadId": upload.id})


def _check(answer: Answer) -> None:
    """Raise the error of an answer that began well: S3 sends its status before it has finished."""
    root = parsed(answer.body)
    if root.tag.rpartition("}")[2] == "Error":
        is_condition = text_of(root, "Code") == "PreconditionFailed"
        status = PRECONDITION_FAILED if is_condition else SERVER_ERROR
        raise error_of(replace(answer, status=status))
