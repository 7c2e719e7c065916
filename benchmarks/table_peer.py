"""The service on a log in DynamoDB and S3 that begins with a snapshot, as the reaper leaves it."""

import os
import shutil
import time
from pathlib import Path

from benchmarks import data, files, service
from benchmarks.table_names import LOG_TABLE
from storage.log.bucket_archive import BucketArchive
from storage.log.compaction import write_copy
from storage.log.objects import Objects
from tests.dynamodb_server import create_log

FIRST = 1


def open_subject(directory: Path) -> service.Sqlatch:
    """A new instance, without a copy."""
    shutil.rmtree(directory / service.COPIES, ignore_errors=True)
    (directory / service.COPIES).mkdir()
    return service.open_table(directory)


def store(directory: Path) -> None:
    """Lay the file as a snapshot behind the first record of a log, which is of an empty table."""
    create_log(os.environ["AWS_ENDPOINT_URL"], LOG_TABLE)
    begins = directory / directory.name
    begins.mkdir()
    files.make(begins / data.FILE, rows=FIRST)
    service.open_table(begins).close()
    archive = BucketArchive(Objects(LOG_TABLE, f"{service.PREFIX}/"), directory.name)
    write_copy(archive, directory / data.FILE, last=FIRST, at_ms=int(time.time() * 1000))
