"""The settings of a replicated database: who leads, who follows, how far behind they may be."""

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

LAG_S_DEFAULT = 5.0
RETRY_S_DEFAULT = 30.0
CHOICES = ("random", "turn")


@dataclass(frozen=True)
class Replication:
    """The settings of the routers.

    `lag_s` is how long after a commit a follower may still lack it; `retry_s` how long a follower
    that could not be reached is left out; `key` names the writer of a request for the cache
    `cache`, where its last write is kept. With `positions` a session that wrote reads from a
    follower that has reached the position of the write, in place of waiting for the lag.
    """

    leader: str
    followers: tuple[str, ...]
    lag_s: float
    retry_s: float
    choice: str
    cache: str
    key: Callable[[Any], str | None] | None
    positions: bool

    def knows(self, alias: str | None) -> bool:
        """Return whether the database is the leader or one of its followers."""
        return alias == self.leader or alias in self.followers


@lru_cache(maxsize=1)
def replication() -> Replication:
    """The settings, read once and again when a test overrides them; ImproperlyConfigured says
    which of them is wrong.
    """
    key = getattr(settings, "REPLICATION_LAG_KEY", None)
    return Replication(
        leader=_leader(settings.DATABASES),
        followers=_followers(settings.DATABASES),
        lag_s=_seconds("REPLICATION_LAG", default=LAG_S_DEFAULT),
        retry_s=_seconds("FOLLOWER_RETRY", default=RETRY_S_DEFAULT),
        choice=_choice(),
        cache=getattr(settings, "REPLICATION_LAG_CACHE", "default"),
        key=import_string(key) if isinstance(key, str) else key,
        positions=bool(getattr(settings, "REPLICATION_POSITIONS", False)),
    )


def _leader(databases: Collection[str]) -> str:
    leader = getattr(settings, "LEADER_DATABASE", "default")
    if leader not in databases:
        raise ImproperlyConfigured(f"LEADER_DATABASE: {leader!r} is not in DATABASES")
    return str(leader)


def _followers(databases: Collection[str]) -> tuple[str, ...]:
    """FOLLOWER_DATABASES; REPLICA_DATABASES is what django-distributed reads in its place."""
    name = "FOLLOWER_DATABASES" if hasattr(settings, "FOLLOWER_DATABASES") else "REPLICA_DATABASES"
    followers = getattr(settings, name, ())
    if isinstance(followers, str):
        raise ImproperlyConfigured(f"{name}: a list of names, not the string {followers!r}")
    for follower in followers:
        if follower not in databases:
            raise ImproperlyConfigured(f"{name}: {follower!r} is not in DATABASES")
    return tuple(followers)


def _seconds(name: str, *, default: float) -> float:
    value = getattr(settings, name, default)
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if not isinstance(seconds, int | float) or not math.isfinite(seconds) or seconds < 0:
        raise ImproperlyConfigured(f"{name}: seconds or a timedelta, not {value!r}")
    return float(seconds)


def _choice() -> str:
    choice = getattr(settings, "FOLLOWER_CHOICE", CHOICES[0])
    if choice not in CHOICES:
        raise ImproperlyConfigured(f"FOLLOWER_CHOICE: one of {CHOICES}, not {choice!r}")
    return str(choice)


def _forget(**_changed: object) -> None:
    replication.cache_clear()


setting_changed.connect(_forget, dispatch_uid="sqlatch.django.replication")
