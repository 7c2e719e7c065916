"""An export by a link: the service writes the file, which is fetched, and goes on if it stopped."""

import os
import time
from pathlib import Path
from typing import Any, BinaryIO

import urllib3
from urllib3 import exceptions

from sqlatch.client import Client
from sqlatch.command.exits import Exit, Failure
from sqlatch.command.exporting import PART_SUFFIX, Journal
from sqlatch.command.packed import Told
from sqlatch.command.progress import reading

LINK_FORMS = ("csv", "jsonl", "csv.gz", "jsonl.gz")

PIECE_BYTES = 1 << 20
SYNC_BYTES = 64 << 20
"""So much may be fetched again after the machine has failed."""

TRIES = 5
"""In a row without a byte."""

WAIT_S = 0.2
"""Before the second of them, and so much longer before each next one."""

CONNECT_S = 10.0
SILENCE_S = 30.0

PARTIAL_CONTENT, FORBIDDEN, NOT_FOUND, SERVER_ERROR = 206, 403, 404, 500


def write_linked(
    client: Client, sql: str, values: Any, *, form: str, file: Path, journal: Journal
) -> int:
    """Write the rows of a query to a file, which is there when it is whole. Return how many."""
    if journal.mark is None:
        link = client.link(sql, values, format=form)
        journal.rows = link.rows
        journal.mark = {
            "url": link.url, "bytes": link.bytes, "ends_at": f"{link.ends_at:%Y-%m-%d %H:%M} UTC"
        }  # fmt: skip
        journal.write()
    begun = file.with_name(file.name + PART_SUFFIX)
    with begun.open("r+b" if journal.size_bytes and begun.exists() else "wb") as stream:
        if stream.seek(0, os.SEEK_END) < journal.size_bytes:
            raise Failure(
                f"{begun} is shorter than it was: leave out --resume to begin anew", Exit.BAD_DATA
            )
        stream.truncate(journal.size_bytes)
        _fetch(journal, stream)
    os.replace(begun, file)  # noqa: PTH105 (says that it replaces)
    journal.path.unlink(missing_ok=True)
    return journal.rows


def _fetch(journal: Journal, stream: BinaryIO) -> None:
    """Fetch what is missing; where a connection ends too soon, another one goes on."""
    size_bytes, failures = journal.mark["bytes"], 0
    with reading("fetching", size_bytes) as told, urllib3.PoolManager(retries=False) as pool:
        while (before := journal.size_bytes) < size_bytes:
            try:
                _fetch_some(pool, journal, stream, told)
            except exceptions.HTTPError as error:
                failures = 1 if journal.size_bytes > before else failures + 1
                if failures == TRIES:
                    raise Failure(
                        f"the file behind the link could not be fetched: {error}; --resume goes on",
                        Exit.TRY_AGAIN,
                    ) from error
                time.sleep(failures * WAIT_S)


def _fetch_some(pool: urllib3.PoolManager, journal: Journal, stream: BinaryIO, told: Told) -> None:
    """Fetch what one connection gives; HTTPError where it ends too soon."""
    have = stream.seek(journal.size_bytes)
    response = pool.request(
        "GET",
        journal.mark["url"],
        headers={"range": f"bytes={have}-"},
        timeout=urllib3.Timeout(connect=CONNECT_S, read=SILENCE_S),
        redirect=False,
        preload_content=False,
        decode_content=False,
    )
    try:
        _check(response, have, journal.mark)
        while piece := response.read1(PIECE_BYTES):
            have += stream.write(piece)
            told(have)
            if have - journal.size_bytes >= SYNC_BYTES:
                _keep(journal, stream)
    finally:
        response.close()
        _keep(journal, stream)
    if have < journal.mark["bytes"]:
        raise exceptions.ProtocolError(f"the connection ended after {have:,} bytes")


def _keep(journal: Journal, stream: BinaryIO) -> None:
    """Make what was fetched last, and note how much it is."""
    stream.flush()
    os.fsync(stream.fileno())
    journal.size_bytes = stream.tell()
    journal.write()


def _check(response: urllib3.BaseHTTPResponse, have: int, mark: dict[str, Any]) -> None:
    """Failure if there is no such file any more; HTTPError for what may pass."""
    said = response.headers.get("content-range", "")
    if (
        response.status == PARTIAL_CONTENT
        and said == f"bytes {have}-{mark['bytes'] - 1}/{mark['bytes']}"
    ):
        return
    if response.status in {FORBIDDEN, NOT_FOUND}:
        raise Failure(
            f"the link has ended (status {response.status}; it was good until {mark['ends_at']} at"
            " the latest): leave out --resume to ask for another one",
            Exit.TRY_AGAIN,
        )
    if response.status < SERVER_ERROR:
        raise Failure(
            f"the link leads to another file: status {response.status}, {said or 'no range'}, and"
            f" bytes {have:,} to {mark['bytes']:,} are wanted",
            Exit.BAD_DATA,
        )
    raise exceptions.HTTPError(f"status {response.status}")
