"""The log of a database that another node keeps, and its files, read over HTTP."""

import json
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from sqlatch.kernel.aws.answer import OK, Answer
from sqlatch.kernel.aws.errors import TimedOut, Unavailable
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import LeaderUnreachable, SqlatchError, StorageError, Timeout, error_of
from sqlatch.kernel.node import LOG_ROOT, Nodes
from storage.deadline import bound_s
from storage.follower import wire
from storage.log.archive import Archive, LtxFile, Start
from storage.log.bucket_archive import ObjectFile
from storage.log.log import BEGINNING, Gone, Place, Record
from storage.log.ltx import header_of
from storage.nodes import ForLeader
from storage.translate import DEADLINE_PASSED

EPOCH = 1
"""The same for every place: the other node knows where its records lie."""

CALL_S = 10.0
"""The longest that a call may take, beyond the time that the other node was asked to wait."""


class Upstream:
    """The node whose logs are followed. LeaderUnreachable where it does not answer; Timeout."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes

    def get(
        self, path: str, asked: dict[str, str | int], *, deadline_s: float, wait_s: float = 0.0
    ) -> Answer:
        """Return its answer, 200, 404 or 410; the error that it tells of."""
        query = urlencode(sorted(asked.items()), quote_via=quote)
        try:
            answer = self.nodes.ask(
                Request("GET", path, query),
                deadline_s=min(deadline_s, time.time() + wait_s + CALL_S),
                silence_s=wait_s + CALL_S,
            )
        except Unavailable as error:
            if isinstance(error, TimedOut) and time.time() >= deadline_s:
                raise Timeout(DEADLINE_PASSED) from error
            raise unreachable(self.nodes.url, error) from error
        if answer.status in {OK, wire.NOT_FOUND, wire.GONE}:
            return answer
        raise told(self.nodes.url, answer)


def unreachable(url: str, error: Exception) -> LeaderUnreachable:
    return LeaderUnreachable(f"the node {url} does not answer: {error}", leader=url)


def told(url: str, answer: Answer) -> SqlatchError:
    """Return the error that another node's answer tells of."""
    try:
        said = json.loads(answer.body)["error"]
        error = error_of(said)
    except (ValueError, KeyError, TypeError):
        error = None
    if error is not None:
        error.message = f"the node {url}: {error.message}"
        error.args = (error.message,)
        return error
    return LeaderUnreachable(
        f"the node {url} answered with HTTP {answer.status}, not as the service does: is it one?",
        leader=url,
    )


def said_in(url: str, answer: Answer) -> dict[str, Any]:
    """Return the object in an answer; LeaderUnreachable if it was cut on its way."""
    try:
        said: dict[str, Any] = json.loads(answer.body)
    except ValueError as error:
        raise unreachable(url, error) from error
    return said


class RemoteLog:
    """See `Log`. Nothing is appended here: whoever would write is sent to the leader."""

    goes_first = False

    def __init__(
        self,
        database: str,
        upstream: Upstream,
        *,
        at: Place = BEGINNING,
        database_id: bytes | None = None,
    ) -> None:
        self._database = database
        self._upstream = upstream
        self.place = at
        self.database_id = database_id
        self.has_more = False
        self.waited_s = 0.0
        """How long after the last question the other node read its log."""

    def sync(self, deadline_s: float) -> list[Record]:
        return self.wait(0.0, deadline_s)

    def wait(self, wait_s: float, deadline_s: float) -> list[Record]:
        """The same, but wait so long for a record."""
        asked: dict[str, str | int] = {"after": f"{self.place.txid:016x}"}
        if self.database_id is not None:
            asked["log"] = self.database_id.hex()
        if wait_s:
            asked["wait_ms"] = int(wait_s * 1000)
        answer = self._asked(asked, deadline_s, wait_s)
        body = answer.body
        while body and not wire.has_one(body):
            # The first record is larger than an answer.
            more = self._asked({**asked, "offset": len(body)}, deadline_s, 0.0).body
            if not more:
                raise StorageError(f"the node sent a part of a record of {self._database!r}")
            body += more
        records = [self._record(content) for content in wire.unpacked(body)]
        expected = self.place.txid
        for record in records:
            expected += 1
            if record.txid != expected:
                raise Gone(f"record {record.txid} came in place of {expected}")
        if log_id := answer.headers.get(wire.LOG_ID):
            self.database_id = bytes.fromhex(log_id)
        if records:
            self.place = records[-1].end
        self.waited_s = min(wait_s, int(answer.headers.get(wire.WAITED, "0")) / 1000)
        newest = answer.headers.get(wire.LAST)
        self.has_more = bool(records) and (newest is None or int(newest, 16) > self.place.txid)
        return records

    def ready(self, deadline_s: float, *, fence: int, seal: bool) -> list[Record]:
        raise ForLeader

    def append(self, commit_id: bytes, content: bytes) -> None:
        raise ForLeader

    def replace(self, base: bytes) -> None:
        raise ForLeader

    def outcome(self, txid: int, commit_id: bytes, deadline_s: float) -> tuple[bool, list[Record]]:
        raise ForLeader

    def close(self) -> None:
        """Nothing is open but the connection, which others use too."""

    def _asked(self, asked: dict[str, str | int], deadline_s: float, wait_s: float) -> Answer:
        answer = self._upstream.get(
            f"{LOG_ROOT}/{self._database}", asked, deadline_s=deadline_s, wait_s=wait_s
        )
        if answer.status == wire.GONE:
            base = bytes.fromhex(answer.headers.get(wire.BASE, ""))
            raise Gone("the log does not reach back to this copy any more", base)
        if answer.status != OK:
            raise told(self._upstream.nodes.url, answer)
        return answer

    def _record(self, content: bytes) -> Record:
        txid = header_of(content).last
        return Record(txid, b"", content, Place(EPOCH, 0, txid))


class RemoteArchive(Archive):
    """The files of a database at another node, which are only read."""

    def __init__(self, upstream: Upstream, database: str) -> None:
        super().__init__(Path(database))
        self._parts = _Parts(upstream, f"{LOG_ROOT}/{database}/files")

    def files(self) -> list[LtxFile]:
        return [
            ObjectFile(**cast("Any", wire.file_in(said)), objects=cast("Any", self._parts))
            for said in self._parts.listed()
        ]

    def start_of(self, base: bytes) -> Start | None:
        """Return the start. The other node takes in a snapshot of that name before it answers."""
        self._parts.base = base
        return self.start()


class _Parts:
    """Parts of files, in the form in which objects of a bucket are asked for."""

    def __init__(self, upstream: Upstream, path: str) -> None:
        self._upstream = upstream
        self._path = path
        self.base = b""

    def listed(self) -> list[dict[str, str | int | float]]:
        answer = self._upstream.get(self._path, self._asked(), deadline_s=bound_s())
        url = self._upstream.nodes.url
        if answer.status != OK:
            raise told(url, answer)
        return cast("list[dict[str, str | int | float]]", said_in(url, answer)["files"])

    def get(self, key: str, offset: int = 0, length: int | None = None) -> bytes | None:
        """Return a part of a file, shorter where that ends; None if there is no such file."""
        assert length is not None
        content = b""
        while len(content) < length:
            asked = {
                **self._asked(),
                "first": offset + len(content),
                "bytes": min(length - len(content), wire.ANSWER_BYTES_MAX),
            }
            answer = self._upstream.get(f"{self._path}/{key}", asked, deadline_s=bound_s())
            if answer.status != OK:
                return None
            if not answer.body:
                break
            content += answer.body
        return content

    def _asked(self) -> dict[str, str | int]:
        return {"base": self.base.hex()} if self.base else {}


def sizes_bytes(upstream: Upstream) -> dict[str, int]:
    """Return the sizes of the databases of the other node."""
    answer = upstream.get(LOG_ROOT, {}, deadline_s=bound_s())
    if answer.status != OK:
        raise told(upstream.nodes.url, answer)
    return cast("dict[str, int]", said_in(upstream.nodes.url, answer)["databases"])
