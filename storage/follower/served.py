"""The log of one database, served to the nodes that follow it: see `wire`."""

import time
from collections.abc import Callable, Mapping

from pydantic_core import to_json

from sqlatch.kernel.errors import BadEvent
from storage.follower import wire
from storage.follower.tail import Tail, path_of
from storage.log.archive import Archive
from storage.log.log import Gone, Log, Place
from storage.nodes import Part


class ServedLog:
    """See `storage.nodes.Tail`."""

    def __init__(
        self,
        open_log: Callable[[Place, bytes | None], Log],
        archive: Archive,
        *,
        poll_s: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._tail = Tail(open_log, archive, poll_s=poll_s)
        self._now = now

    def answer(self, path: str, asked: Mapping[str, str], deadline_s: float) -> Part:
        if not path:
            return self._records(asked, deadline_s)
        head, _, name = path.partition("/")
        if head != "files":
            return Part(b"", wire.NOT_FOUND)
        base = bytes.fromhex(_hex(asked, "base", ""))
        if not name:
            archive = self._tail.archive
            files = [wire.file_out(file, path_of(file, archive)) for file in self._tail.files(base)]
            return Part(to_json({"files": files}))
        length = min(_number(asked, "bytes", wire.ANSWER_BYTES_MAX), wire.ANSWER_BYTES_MAX)
        content = self._tail.part(name, base, _number(asked, "first", 0), length)
        return Part(b"", wire.NOT_FOUND) if content is None else Part(content)

    def close(self) -> None:
        self._tail.close()

    def _records(self, asked: Mapping[str, str], deadline_s: float) -> Part:
        after = int(_hex(asked, "after", "0"), 16)
        log_id = bytes.fromhex(_hex(asked, "log", "")) or None
        wait_s = min(_number(asked, "wait_ms", 0) / 1000, wire.WAIT_S_MAX)
        until_s = min(self._now() + wait_s, deadline_s)
        try:
            found = self._tail.behind(after, log_id, until_s=until_s, deadline_s=deadline_s)
        except Gone as gone:
            return Part(b"", wire.GONE, {wire.BASE: gone.base.hex()})
        first = _number(asked, "offset", 0)
        end = first + wire.ANSWER_BYTES_MAX
        part = wire.packed((record.content for record in found.records), end)[first:end]
        headers = {wire.WAITED: str(int(found.waited_s * 1000))}
        if found.log_id is not None:
            headers[wire.LOG_ID] = found.log_id.hex()
        if found.newest is not None:
            headers[wire.LAST] = f"{found.newest:016x}"
        return Part(part, headers=headers)


def _hex(asked: Mapping[str, str], name: str, default: str) -> str:
    text = asked.get(name, default)
    try:
        int(text or "0", 16)
        if name != "after":
            bytes.fromhex(text)
    except ValueError:
        raise BadEvent(f"{name} is not in hexadecimal digits: {text!r}", field=name) from None
    return text


def _number(asked: Mapping[str, str], name: str, default: int) -> int:
    text = asked.get(name, str(default))
    if not text.isascii() or not text.isdecimal():
        raise BadEvent(f"{name} is not a whole number: {text!r}", field=name)
    return int(text)
