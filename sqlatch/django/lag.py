"""Sessions that have written lately, which read from the leader until the followers follow."""

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from types import TracebackType
from typing import Any, Self

from asgiref.sync import sync_to_async
from django.core.cache import caches
from django.db import connections
from django.db.backends.signals import connection_created

from sqlatch.django.caching import may_fail
from sqlatch.django.replication import replication

CACHE_PREFIX = "sqlatch.written:"

# The first words of statements that surely leave the database as it is, if they are alone and
# select into nothing. Whatever else reaches the leader is taken for a write: the error in that
# direction is a read from the leader too many.
HARMLESS = frozenset({"SELECT", "BEGIN", "SAVEPOINT", "RELEASE", "ROLLBACK", "PRAGMA", "SHOW"})
FIRST_WORD_CHARACTERS_MAX = 10
MAY_WRITE = re.compile(r";.*\S|\binto\b", re.DOTALL | re.IGNORECASE)

now = time.time


@dataclass(eq=False)
class Session:
    """One reader and writer: a request, or the bearer of a key. Times are seconds of the epoch."""

    key: str | None = None
    pinned: bool = False
    written_at: float = 0.0
    position: str | None = None
    outer: "Session | None" = None
    follower: str | None = None
    wrote: bool = False
    writing: dict[int, Any] = field(default_factory=dict)

    def is_recent(self) -> bool:
        """Return whether a follower may still lack something that this session has written."""
        self._settle()
        return (
            self.pinned
            or bool(self.writing)
            or now() - self.written_at < replication().lag_s
            or (self.outer is not None and self.outer.is_recent())
        )

    def write(self, connection: Any) -> None:
        """Note a write, in the sessions around this one too."""
        if connection.in_atomic_block:
            self.writing[id(connection)] = connection
        self.wrote = True
        self._stamp(connection)
        if self.outer is not None:
            self.outer.write(connection)

    def close(self) -> None:
        """Count the lag from here: a write is noted when it is executed, which is before it is
        committed, and by now it is.
        """
        self._settle()
        if self.wrote and (self.written_at or not replication().positions):
            self._stamp()

    def _settle(self) -> None:
        """Count the lag of a transaction from its end. It is looked for at the next read instead
        of by on_commit(), whose callbacks the tests of a project may count.
        """
        for identity, connection in self.writing.copy().items():
            if not connection.in_atomic_block:
                self._stamp(connection)
                self.writing.pop(identity, None)

    def _stamp(self, connection: Any = None) -> None:
        """Remember the position of a write; its time where there are none, or it is not known."""
        made = getattr(connection and connection.connection, "position", None)
        if made is not None and replication().positions:
            self.position = max(self.position or "", made)
            return
        self.written_at = now()
        if self.key:
            keep(self.key, self.written_at)


_not_kept_at = 0.0
"""When a write was last made in this process whose time the cache could not keep."""

_current: ContextVar[Session | None] = ContextVar("sqlatch_session", default=None)
_unnoticed: ContextVar[bool] = ContextVar("sqlatch_unnoticed", default=False)


def current() -> Session | None:
    """The session of the running code: of its request, task or thread."""
    return _current.get()


def recently_written() -> bool:
    """Return whether to read from the leader; True outside a session, where it is not known."""
    session = _current.get()
    return session is None or session.is_recent()


def written() -> None:
    """Say that the running session wrote, where it cannot be seen: in `SELECT a_function()`."""
    session = _current.get()
    if session is not None and not _unnoticed.get():
        session.write(connections[replication().leader])


class session:
    """Reads inside go to followers, unless the bearer of the key wrote within the lag.

    The time of the last write is kept in the cache under the key, for other processes; without a
    key the session knows its own writes only. A context manager, `async with` too, and a decorator
    of functions and of coroutine functions.
    """

    def __init__(
        self,
        key: str | None = None,
        *,
        written_at: float = 0.0,
        position: str | None = None,
        pinned: bool = False,
    ) -> None:
        self.key = key
        self.position = position
        self.written_at = written_at
        self.pinned = pinned
        self._token: Token[Session | None] | None = None

    def __enter__(self) -> Session:
        return self._enter(kept(self.key) if self.key else 0.0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._leave().close()

    async def __aenter__(self) -> Session:
        return self._enter(await sync_to_async(kept)(self.key) if self.key else 0.0)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        session = self._leave()
        if session.key:
            await sync_to_async(session.close)()
        else:
            session.close()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if isgeneratorfunction(function) or isasyncgenfunction(function):
            raise TypeError("a generator runs where it is read: open the session inside it")

        @wraps(function)
        def call(*arguments: Any, **named: Any) -> Any:
            with self._again():
                return function(*arguments, **named)

        @wraps(function)
        async def acall(*arguments: Any, **named: Any) -> Any:
            async with self._again():
                return await function(*arguments, **named)

        return acall if iscoroutinefunction(function) else call

    def _again(self) -> Self:
        """One for each call: several threads and tasks may be in the function at once."""
        return type(self)(
            self.key, written_at=self.written_at, position=self.position, pinned=self.pinned
        )

    def _enter(self, kept_at: float) -> Session:
        outer = _current.get()
        entered = Session(
            key=self.key,
            pinned=self.pinned,
            written_at=max(self.written_at, kept_at),
            position=max(self.position or "", (outer.position if outer else "") or "") or None,
            outer=outer,
            follower=outer.follower if outer else None,
        )
        self._token = _current.set(entered)
        return entered

    def _leave(self) -> Session:
        left = _current.get()
        assert left is not None
        assert self._token is not None
        _current.reset(self._token)
        return left


def leader() -> session:
    """Send the reads inside to the leader."""
    return session(pinned=True)


@contextmanager
def unnoticed() -> Iterator[None]:
    """Writes inside pin nobody: for what is never read from a follower."""
    token = _unnoticed.set(True)
    try:
        yield
    finally:
        _unnoticed.reset(token)


def keep(key: str, written_at: float) -> None:
    """Remember in the cache when the bearer of the key wrote, as long as that matters.

    If it cannot be kept there, this process sends all reads to the leader for that long.
    """
    global _not_kept_at
    settings = replication()
    timeout_s = max(1, math.ceil(settings.lag_s))
    with may_fail("the time of a write was not kept in it, so other processes do not know it"):
        caches[settings.cache].set(CACHE_PREFIX + key, written_at, timeout_s)
        return
    _not_kept_at = max(_not_kept_at, written_at)


def kept(key: str) -> float:
    """When the bearer of the key wrote; 0 if it is longer ago than matters.

    Just now, as far as is known, where the cache does not answer: then the leader is read.
    """
    with may_fail("all reads go to the leader"):
        kept_at = caches[replication().cache].get(CACHE_PREFIX + key)
        return max(float(kept_at or 0.0), _not_kept_at)
    return now()


def watch(connection: Any) -> None:
    """See every write that reaches the leader: of the ORM, of `using()`, of raw SQL."""
    if connection.alias == replication().leader and _execute not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _execute)  # execute_wrapper() takes the last away


def _execute(
    execute: Callable[..., Any], sql: Any, parameters: Any, many: object, context: dict[str, Any]
) -> Any:
    try:
        return execute(sql, parameters, many, context)
    finally:  # a statement that failed may have been committed: a connection that broke at the end
        session = _current.get()
        if session is not None and not _unnoticed.get() and _may_write(sql):
            session.write(context["connection"])


def _may_write(sql: object) -> bool:
    if not isinstance(sql, str):
        return True
    words = sql.lstrip("( \t\r\n")[:FIRST_WORD_CHARACTERS_MAX].split(None, 1)
    if not words or words[0].upper().rstrip(";") not in HARMLESS:
        return True
    return MAY_WRITE.search(sql) is not None


def _watch_created(connection: Any, **_signal: object) -> None:
    watch(connection)


connection_created.connect(_watch_created, dispatch_uid="sqlatch.django.lag")
