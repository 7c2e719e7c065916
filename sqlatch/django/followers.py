"""The choice of the follower for a read: one that can be reached, at random or in turn."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from typing import Any

from django.db import Error, connections
from django.db.backends.signals import connection_created

from sqlatch.django import lag
from sqlatch.django.replication import Replication, replication

_turn = itertools.count()
_left_out_until: dict[str, float] = {}  # of this process, by alias, on the monotonic clock

monotonic = time.monotonic


def choose(*, preferred: str | None = None) -> str | None:
    """The alias of a follower that can be reached, the preferred one if it can; None if none."""
    settings = replication()
    for alias in _order(settings, preferred):
        if _reach(alias, retry_s=settings.retry_s):
            return alias
    return None


def leave_out(alias: str) -> None:
    """Read from others until FOLLOWER_RETRY seconds have passed."""
    _left_out_until[alias] = monotonic() + replication().retry_s


def _order(settings: Replication, preferred: str | None) -> list[str]:
    order = list(settings.followers)
    if settings.choice == "random":
        random.shuffle(order)
    elif order:
        first = next(_turn) % len(order)
        order = order[first:] + order[:first]
    return sorted(order, key=lambda alias: alias != preferred)


def _reach(alias: str, *, retry_s: float) -> bool:
    """Return whether the follower can be reached; open its connection if there is none.

    The query that asks would open it a moment later, so a reachable follower costs nothing more.
    """
    until = _left_out_until.get(alias)
    if until is not None and monotonic() < until:
        return False
    connection = connections[alias]
    if connection.connection is None:
        if _in_event_loop():
            return True
        if until is not None:
            _left_out_until[alias] = monotonic() + retry_s  # others do not wait for this trial
        try:
            connection.ensure_connection()
        except Error:
            leave_out(alias)
            return False
    _left_out_until.pop(alias, None)
    _watch(connection)
    return True


def _in_event_loop() -> bool:
    """Django opens no connection there; the query will ask again, in the thread where it runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _execute(
    execute: Callable[..., Any], sql: Any, parameters: Any, many: object, context: dict[str, Any]
) -> Any:
    connection = context["connection"]
    session = lag.current()
    if replication().positions and hasattr(connection.connection, "at_least"):
        connection.connection.at_least = session and session.position
    try:
        return execute(sql, parameters, many, context)
    except Error:
        if not connection.in_atomic_block and not connection.is_usable():
            leave_out(connection.alias)
            connection.close()
        raise


def _watch(connection: Any) -> None:
    is_follower = connection.alias in replication().followers
    if is_follower and _execute not in connection.execute_wrappers:
        connection.execute_wrappers.insert(0, _execute)  # execute_wrapper() takes the last away


def _watch_created(connection: Any, **_signal: object) -> None:
    _watch(connection)


connection_created.connect(_watch_created, dispatch_uid="sqlatch.django.followers")
