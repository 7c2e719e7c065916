"""The way to a copy in this process: reads are answered here, all else is sent to the leader."""

import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Protocol

from sqlatch import packages
from sqlatch.errors import LeaderUnreachable
from sqlatch.failures import AnswerCutOff, BadUrl, CallTimedOut, Unreachable
from sqlatch.opening import Copy
from sqlatch.transports import door
from sqlatch.transports.http import HttpTransport
from sqlatch.transports.transport import check_size
from sqlatch.url import HttpTarget

NEEDED = ("apsw", "fastcrc", "lz4", "pydantic_core")
POSITION = "sqlatch-position"

Key = tuple[str, str | None, Copy]
"""The URL of the leader, the token for it, and the copy."""


class Embedded(Protocol):
    """The service in this process: see `handler/embedded.py`, which nothing here may import."""

    def answer(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any] | None: ...

    def saw(self, database: str, position: str) -> None: ...

    def close(self) -> None: ...


class ReplicaTransport:
    """A copy of the databases of one service. What is on it is shared by all of this process who
    connect with the same URL, path, token and age."""

    request_bytes_max = door.REQUEST_BYTES_MAX

    def __init__(
        self, target: HttpTarget, leader: HttpTransport, copy: Copy, *, token: str | None
    ) -> None:
        _check_that_it_can_run()
        self._url = target.origin + target.prefix
        self._leader = leader
        self._key = (self._url, token, copy)
        self._held: _Shared | None = None

    def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        if "health" not in event:
            reply = self._embedded().answer(event, timeout_s=timeout_s)
            if reply is not None:
                return reply
        request = door.request_of(event)
        check_size(self, request.body)
        answer = self._answer(request, str(event.get("database", "main")), timeout_s)
        return door.reply_in(event, answer.status, answer.content)

    def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        answer = self._leader.exchange(method, path, body, headers, timeout_s=timeout_s)
        return answer.status, answer.content

    def size_bytes(self, encoded: bytes) -> int:
        return door.size_bytes(encoded)

    def close(self) -> None:
        """Close the connections to the leader, and the copy if nobody else is on it."""
        self._held = None
        of_this_process().leave(self._key, self)
        self._leader.close()

    def _answer(self, request: door.Request, database: str, timeout_s: float) -> door.Answer:
        """Return the leader's answer, whatever it is."""
        try:
            answer = self._leader.exchange(
                request.method, request.path, request.body, request.headers, timeout_s=timeout_s
            )
        except (Unreachable, AnswerCutOff, CallTimedOut) as error:
            raise LeaderUnreachable(
                f"the node that leads, {self._url}, does not answer: {error.message}",
                leader=self._url,
                outcome=error.facts["outcome"],
            ) from error
        if (position := answer.headers.get(POSITION)) is not None:
            self._embedded().saw(database, position)
        return answer

    def _embedded(self) -> Embedded:
        # After fork() the copy, its connections and a lock that was held are the parent's.
        held = self._held
        if held is None or held.process is not of_this_process():
            held = self._held = of_this_process().join(self._key, self)
        return held.embedded


@dataclass(frozen=True, slots=True)
class _Shared:
    """A copy and who is on it. It is of one process."""

    embedded: Embedded
    users: set[ReplicaTransport]
    process: "_Process"


class _Process:
    """The copies that are open in a process."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._open: dict[Key, _Shared] = {}

    def join(self, key: Key, user: ReplicaTransport) -> _Shared:
        with self._changing:
            if key not in self._open:
                url, token, copy = key
                embedded = packages.load("handler.embedded").Embedded(
                    url, token, copy.directory, copy.max_age_ms
                )
                self._open[key] = _Shared(embedded, set(), self)
            self._open[key].users.add(user)
            return self._open[key]

    def leave(self, key: Key, user: ReplicaTransport) -> None:
        with self._changing:
            shared = self._open.get(key)
            if shared is None or user not in shared.users:
                return
            shared.users.remove(user)
            if not shared.users:
                self._open.pop(key).embedded.close()


_processes = [_Process()]
"""Those that this one is a fork of, of which nothing may be closed here, and behind them its own.

A system call in each read, to ask for the id of the process, would cost as much as SQLite's part.
"""


def of_this_process() -> _Process:
    return _processes[-1]


def _begin_anew() -> None:
    _processes.append(_Process())


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def _check_that_it_can_run() -> None:
    if sys.platform == "win32":
        raise BadUrl("a replica needs the file locks of POSIX, which Windows does not have")
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise BadUrl(f"{', '.join(missing)} not installed: pip install 'sqlatch[replica]'")
