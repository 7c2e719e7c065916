"""The transfer function: databases copied between their directory and a bucket of S3.

It runs when an operator or a schedule calls it, in a stack beside the service (docs/transfer.yaml).
"""

import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from handler.log import Logged
from handler.nodes.right import not_sent_on, right_of
from handler.query import REPLY_RESERVE_S, Context
from handler.record import Record
from handler.service import Service, service
from sqlatch.kernel.errors import BadEvent, DatabaseBusy, SqlatchError, StorageError, Timeout
from storage import copies
from storage.engine import KeepsChanging
from storage.translate import RecoveryNeeded

Bucket = Any
"""A bucket of boto3's."""

MOVES = ("out", "in", "over")
FIELDS = {"move", "database", "key"}
DATABASE_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
TIME_FORMAT = "%Y-%m-%dT%H%M%SZ"


def lambda_handler(event: Any, context: Context) -> dict[str, Any]:
    """Copy databases, as the event asks: {"move": ..., "database": ..., "key": ...}.

    `out` without a database copies each of them. Those that failed are named in the answer and
    counted in the metric CopiesFailed; the others are copied.
    """
    with Logged(Record(function_request_id=context.aws_request_id, door="transfer")) as record:
        time_left_s = context.get_remaining_time_in_millis() / 1000 - REPLY_RESERVE_S
        ends_at_s = service().clock.now() + time_left_s
        record.kind = "copy"
        try:
            _check(event)
            if "database" not in event:
                return _every(record, ends_at_s)
            with not_sent_on("takes no database in"):
                return {event["database"]: _move(event, event["database"], record, ends_at_s)}
        except SqlatchError as error:
            raise error.told() from error.__cause__


def _check(event: Any) -> None:
    if not isinstance(event, Mapping) or event.get("move") not in MOVES:
        raise BadEvent(f"`move` is one of {', '.join(MOVES)}", field="move")
    if unknown := event.keys() - FIELDS:
        raise BadEvent(
            f"unknown field {min(unknown)!r}: there are {', '.join(sorted(FIELDS))}",
            field=min(unknown),
        )
    if event["move"] != "out" and not ("database" in event and "key" in event):
        raise BadEvent(f"'{event['move']}' needs `database` and `key`", field="key")
    name = event.get("database")
    if name is None and "key" in event:
        raise BadEvent("`key` is for one database: name it", field="database")
    if "database" in event and not (isinstance(name, str) and DATABASE_NAME.fullmatch(name)):
        raise BadEvent(f"not a database name: {name!r}", field="database")


def _every(record: Record, ends_at_s: float) -> dict[str, Any]:
    """Copy every database out, the one whose last copy is oldest first."""
    bucket = _bucket()
    names = _oldest_first(service().databases.sizes_bytes(), bucket)
    copied: dict[str, Any] = {}
    failed: dict[str, Any] = {}
    for name in names:
        try:
            copied[name] = _out(name, None, bucket, record, ends_at_s)
        except SqlatchError as error:
            record.note(error)
            failed[name] = error.body()
    record.copies_failed = len(failed)
    record.copies_complete = not failed
    return {"copied": copied, "failed": failed}


def _oldest_first(names: Iterable[str], bucket: Bucket) -> list[str]:
    """The names by the time of their last copy, which its key says."""

    def last(name: str) -> str:
        return max((one.key for one in bucket.objects.filter(Prefix=f"{name}/")), default="")

    with _storage():
        return sorted(names, key=lambda name: last(name).partition("/")[2])


def _move(event: Mapping[str, Any], name: str, record: Record, ends_at_s: float) -> dict[str, Any]:
    record.database = name
    if event["move"] == "out":
        return _out(name, event.get("key"), _bucket(), record, ends_at_s)
    with right_of(service(), record), tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / f"{name}.db"
        with _storage():
            _bucket().download_file(event["key"], str(copy))
        copies.leave_wal(copy)
        checked = copies.check(copy)
        if event["move"] == "in":
            service().databases.add(name, copy)
        else:
            _write_over(service(), name, copy, record, ends_at_s)
    return {"key": event["key"], **asdict(checked)}


def _out(
    name: str, key: str | None, bucket: Bucket, record: Record, ends_at_s: float
) -> dict[str, Any]:
    record.database = name
    if service().clock.now() >= ends_at_s:
        raise Timeout("the function's time was used up by other databases: run it again")
    key = key or f"{name}/{datetime.now(UTC):{TIME_FORMAT}}.db"
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary) / f"{name}.db"
        _copy_out(service(), name, copy, record, ends_at_s)
        checked = copies.check(copy)
        with _storage():
            bucket.upload_file(str(copy), key)
    return {"key": key, **asdict(checked)}


def _copy_out(service: Service, name: str, copy: Path, record: Record, ends_at_s: float) -> None:
    """Copy without the lease, between commits; where these come too often, under it."""
    database = service.databases.get(name)

    def once() -> None:
        copy.unlink(missing_ok=True)
        database.copy_out(copy, ends_at_s)

    try:
        service.recovering(name, record, ends_at_s, once)
    except KeepsChanging:
        try:
            with service.writing(name, record, ends_at_s) as grant:
                database.recover(grant)
                once()
        except (KeepsChanging, RecoveryNeeded) as error:
            raise DatabaseBusy(
                f"database {name!r} was changed under the lease by a program that does not take it:"
                " stop that program"
            ) from error


def _write_over(service: Service, name: str, copy: Path, record: Record, ends_at_s: float) -> None:
    """Replace what is in a database under its lease, after what a killed writer left is undone."""

    def replace() -> None:
        with service.writing(name, record, ends_at_s) as grant:
            service.databases.get(name).replace(copy, grant)

    service.recovering(name, record, ends_at_s, replace)


def _bucket() -> Bucket:
    import boto3

    return boto3.resource("s3").Bucket(os.environ["BUCKET"])


@contextmanager
def _storage() -> Iterator[None]:
    """S3's errors as the service's own."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise StorageError(f"the bucket {os.environ['BUCKET']!r}: {error}") from error
