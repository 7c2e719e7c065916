"""The service within another program: databases of another node, read from a copy in that process.

It holds the settings that it is given and reads no environment, writes no lines of a log, and
limits no memory, which are the program's. What is for the leader is left to its caller.
"""

import hashlib
import threading
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from events.request import QueryEvent, parse
from handler.beside import follower_of
from handler.nodes.following import KEY
from handler.nodes.leaders_files import LeadersFiles
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from sqlatch.kernel.errors import SqlatchError, Timeout, error_of
from sqlatch.kernel.node import LOG_ROOT
from storage.engine import Position
from storage.nodes import ForLeader
from storage.translate import DEADLINE_PASSED
from storage.watchdog import watchdog


class Embedded:
    """The databases of the node at a URL. Threads may share it; they are answered in turn."""

    def __init__(self, url: str, token: str | None, copies: Path, max_age_ms: int) -> None:
        settings = Settings(log=url, log_token=token or "", copies=copies, max_age_ms=max_age_ms)
        self._engine = follower_of(settings)
        self._service = _Service(settings, engine=self._engine)
        self._service.databases.feed()
        # As the leader names whoever sends the token: so it goes on with a stream that began here.
        self._identity = token and hashlib.sha256(token.encode()).hexdigest()
        self._turn = threading.Lock()
        self._noting = threading.Lock()

    def answer(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any] | None:
        """Return the reply; None if the leader has to give it, and nothing was done here."""
        ends_at_s = self._service.clock.now() + timeout_s
        if not self._turn.acquire(timeout=timeout_s):
            raise Timeout(DEADLINE_PASSED)
        try:
            return self._answer(event, ends_at_s)
        except ForLeader:
            return None
        except SqlatchError as error:
            raise _as_in_the_contract(error) from error.__cause__
        finally:
            self._turn.release()

    def saw(self, database: str, position: str) -> None:
        """The leader has told a caller of a position: no read that begins now is older.

        It waits for no read that goes on: the caller has its answer.
        """
        with self._noting:
            self._service.databases.saw(database, Position(int(position, 16)))

    def close(self) -> None:
        """Close the copies and the connections; end what goes on in the background."""
        with self._turn, self._noting:
            self._service.close()
            self._engine.close()
        watchdog().end()

    def _answer(self, event: Mapping[str, Any], ends_at_s: float) -> dict[str, Any] | None:
        record = Record(function_request_id="", door="embedded")
        if "pipeline" in event:
            return self._pipeline(event, record, ends_at_s)
        request = parse(event)
        if not isinstance(request, QueryEvent) or request.link is not None:
            return None
        return self._service.answer(request, record, ends_at_s=ends_at_s)

    def _pipeline(
        self, event: Mapping[str, Any], record: Record, ends_at_s: float
    ) -> dict[str, Any] | None:
        if self._identity is None:
            return None  # a stream belongs to a token
        from handler import streams

        reply: dict[str, Any] = streams.answer_direct(
            self._service, event, record, ends_at_s=ends_at_s, identity=self._identity
        )
        return reply


def _as_in_the_contract(error: SqlatchError) -> SqlatchError:
    """Return the error in the class of its code: no subclass of the service's own."""
    return (error_of(error.body()) or error).with_traceback(error.__traceback__)


class _Service(Service):
    @cached_property
    def stream_files(self) -> "_Files":
        return _Files(self.leader)


class _Files(LeadersFiles):
    """The keys of the databases, each asked for by itself: the token may be for one alone."""

    def key(self) -> bytes:
        raise ForLeader

    def key_of(self, database: str) -> bytes:
        return self._asked(f"{LOG_ROOT}/{database}/{KEY}", "the token one that may write to it")
