"""A whole result as a file in a bucket, and the link by which its caller gets it."""

import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING

from events.lines import head, lines
from events.reply import LinkReply
from events.request import LinkForm, QueryEvent
from handler.record import Record
from sqlatch.kernel.aws.errors import AwsError, TimedOut
from sqlatch.kernel.aws.written import Written
from sqlatch.kernel.errors import BadEvent, StorageError, Timeout
from sqlatch.kernel.values import Row
from sqlexec.statement import Job, Outcome
from storage.translate import DEADLINE_PASSED

if TYPE_CHECKING:
    from handler.service import Service

SECRET_BYTES = 16
"""Of randomness in the key of an object: nobody finds one whose link they do not have."""

PACKED = ".gz"
GZIP_LEVEL = 1
GZIP_WBITS = 31
"""A stream of zlib with the head and the end of a gzip file."""

TYPES: dict[LinkForm, str] = {
    "csv": "text/csv; charset=utf-8",
    "csv.gz": "application/gzip",
    "jsonl": "application/x-ndjson",
    "jsonl.gz": "application/gzip",
}

NEXT_STEPS = {
    "AccessDenied": "allow s3:PutObject, s3:GetObject and s3:AbortMultipartUpload below the prefix",
    "ExpiredToken": "renew the credentials of this process",
    "NoSuchBucket": "create it, or name another one in SQLATCH_RESULTS",
    "PermanentRedirect": "set AWS_REGION to the region of the bucket",
}
"""The next step after a refusal, by AWS's code."""


def read_to_link(
    service: "Service", event: QueryEvent, job: Job, record: Record, deadline_s: float
) -> Outcome:
    """Read a result of any size into a file; the outcome has the link to it, and no rows."""
    settings = service.settings
    if not settings.results or event.link is None:
        raise BadEvent(
            "no results are kept here: set SQLATCH_RESULTS to s3://BUCKET/PREFIX, or read the"
            ' result in pages with `"page": "first"`',
            field="link",
        )
    limits = replace(
        job.limits,
        bytes_max=settings.results_bytes_max,
        all_rows_with="ask for fewer rows with rows_max or LIMIT, or read them in pages",
    )
    begin = partial(_file, service, event.database, event.link, deadline_s)
    database = service.databases.get(event.database)
    outcome = database.read_into(replace(job, limits=limits), begin, deadline_s)
    record.link_bytes = outcome.results[0].link["bytes"]
    return outcome


@contextmanager
def _file(
    service: "Service", database: str, form: LinkForm, deadline_s: float
) -> Iterator["LinkedFile"]:
    """A file that is to be written; S3's errors are the service's own."""
    settings = service.settings
    key = f"{settings.results_place[1]}{database}/{token_hex(SECRET_BYTES)}.{form}"
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(service.clock.now()))
    headers = {
        "content-disposition": f'attachment; filename="{database}-{stamp}.{form}"',
        "content-type": TYPES[form],
    }
    try:
        with Written(service.results, key, headers=headers, deadline_s=deadline_s) as written:
            yield LinkedFile(written, form, valid_s=settings.results_minutes * 60)
    except TimedOut as error:
        if service.clock.now() >= deadline_s:
            raise Timeout(DEADLINE_PASSED) from error
        raise _told(error, settings.results) from error
    except AwsError as error:
        raise _told(error, settings.results) from error


class LinkedFile:
    """A file in one of the forms, and the link to it."""

    def __init__(self, written: Written, form: LinkForm, *, valid_s: int) -> None:
        self._written = written
        self._form = form
        self._valid_s = valid_s
        self._rows = 0
        self._packer = (
            zlib.compressobj(GZIP_LEVEL, wbits=GZIP_WBITS) if form.endswith(PACKED) else None
        )

    def head(self, columns: tuple[str, ...]) -> int:
        return self._write(head(self._form, columns))

    def add(self, columns: tuple[str, ...], rows: list[Row]) -> int:
        self._rows += len(rows)
        return self._write(lines(self._form, columns, rows))

    def finish(self) -> LinkReply:
        if self._packer is not None:
            self._written.write(self._packer.flush())
        self._written.finish()
        url, ends_at_s = self._written.link(valid_s=self._valid_s)
        return {
            "url": url,
            "format": self._form,
            "bytes": self._written.size_bytes,
            "rows": self._rows,
            "ends_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends_at_s)),
        }

    def _write(self, content: bytes) -> int:
        self._written.write(content if self._packer is None else self._packer.compress(content))
        return len(content)


def _told(error: AwsError, place: str) -> StorageError:
    code = str(getattr(error, "code", ""))
    step = f"; {NEXT_STEPS[code]}" if code in NEXT_STEPS else ""
    facts = {"aws_code": code} if code else {}
    return StorageError(f"the results in {place}: {error}{step}", **facts)
