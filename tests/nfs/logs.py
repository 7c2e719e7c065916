"""A log in a directory, as a process in a client has it open: told what to do by a test outside."""

import os
import time
from pathlib import Path
from typing import Any

from sqlatch.kernel.errors import SqlatchError
from storage.log import files
from storage.log.directory import DirectoryLog
from storage.log.log import COMMIT_ID_BYTES, Conflict, Gone, InDoubt, Record

DEADLINE_S = 120.0


class OpenLog:
    """The log of one directory. `is_buffered` plants reads through the kernel's cache."""

    def __init__(self, directory: str, *, is_buffered: bool = False) -> None:
        if is_buffered:
            files._is_nfs = lambda _directory: False  # type: ignore[assignment]
        self._log = DirectoryLog(Path(directory), now=time.time)
        self._commit_id = b""

    def order(self, what: str, *arguments: Any) -> Any:
        """Return what came of it: the contents that are new, or what was raised."""
        try:
            return getattr(self, what)(*arguments)
        except (Conflict, Gone, InDoubt, SqlatchError) as error:
            return {"raised": type(error).__name__, "message": str(error)}

    def sync(self) -> list[str]:
        return _contents(self._log.sync(_deadline_s()))

    def ready(self, fence: int) -> list[str]:
        return _contents(self._log.ready(_deadline_s(), fence=fence, seal=False))

    def take_over(self, fence: int) -> list[str]:
        return _contents(self._log.ready(_deadline_s(), fence=fence, seal=True))

    def append(self, content: str) -> int:
        self._commit_id = os.urandom(COMMIT_ID_BYTES)
        self._log.append(self._commit_id, content.encode())
        return self._log.place.txid

    def append_later(self, content: str, after_s: float) -> int:
        time.sleep(after_s)
        return self.append(content)

    def remove_settled(self) -> int:
        settled = self._log.segments()
        self._log.remove([each.epoch for each in settled])
        return len(settled)

    def outcome(self) -> list[Any]:
        txid = self._log.place.txid + 1
        is_there, records = self._log.outcome(txid, self._commit_id, _deadline_s())
        return [is_there, _contents(records)]


def _contents(records: list[Record]) -> list[str]:
    return [record.content.decode() for record in records]


def _deadline_s() -> float:
    return time.time() + DEADLINE_S
