"""Database routers: writes to the leader, reads to a follower once it has what the reader wrote.

The names are those of django-distributed, so that a project moves by changing dotted paths.
"""

from importlib import import_module
from typing import Any

from django.db import connections, transaction

from sqlatch.django import followers, lag
from sqlatch.django.replication import replication

KEY_PREFIX = "sqlatch.django.routers."

# Where the app is not installed, what loads the routers before it checks is warned too: the tests.
import_module("sqlatch.django.checks")


class DistributedRouter:
    """The whole session reads from the leader for REPLICATION_LAG seconds after it wrote.

    A subclass may decide by something else than the session: `is_recently_updated(model)`.
    """

    def db_for_read(self, model: Any, **hints: Any) -> str:
        leader = self.leader_db
        connection = connections[leader]
        lag.watch(connection)
        if connection.in_atomic_block or self.is_recently_updated(model):
            return leader
        alias = _alias_of(hints.get("instance"))
        # What an object of the leader refers to need not be at a follower yet.
        return leader if alias == leader else self._follower(alias)

    def db_for_write(self, model: Any, **hints: Any) -> str:
        leader = self.leader_db
        lag.watch(connections[leader])
        return leader

    def is_recently_updated(self, model: Any) -> bool:
        return lag.recently_written()

    @property
    def asks_session(self) -> bool:
        """True if the session decides, which in a request the middleware opens."""
        return type(self).is_recently_updated is DistributedRouter.is_recently_updated

    @property
    def leader_db(self) -> str:
        return replication().leader

    @property
    def follower_db(self) -> str:
        """A follower that can be reached, the same one for a whole session; or the leader."""
        return self._follower(None)

    def allow_relation(self, obj1: Any, obj2: Any, **hints: Any) -> bool | None:
        known = replication().knows
        return True if known(_alias_of(obj1)) and known(_alias_of(obj2)) else None

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool | None:
        """No migration on a follower: it gets its tables as it gets its rows."""
        return False if db in replication().followers else None

    def _follower(self, alias: str | None) -> str:
        session = lag.current()
        chosen = followers.choose(preferred=alias or (session.follower if session else None))
        if session is not None and chosen is not None:
            session.follower = chosen
        return chosen or self.leader_db


class CachedRouter(DistributedRouter):
    """A subclass says under which key of the cache the last write of a model is remembered.

    Where there is no key the session decides, as in DistributedRouter.
    """

    def get_cache_key(self, model: Any) -> str | None:
        raise NotImplementedError

    def db_for_write(self, model: Any, **hints: Any) -> str:
        self.update_cache(model)
        leader = super().db_for_write(model, **hints)
        if self.get_cache_key(model) and connections[leader].in_atomic_block:
            transaction.on_commit(lambda: self.update_cache(model), using=leader, robust=True)
        return leader

    def update_cache(self, model: Any) -> None:
        key = self.get_cache_key(model)
        if key:
            lag.keep(key, lag.now())

    def is_recently_updated(self, model: Any) -> bool:
        key = self.get_cache_key(model)
        if not key:
            return super().is_recently_updated(model)
        recent = lag.now() - lag.kept(key) < replication().lag_s
        return recent or (lag.current() is not None and lag.recently_written())


class SessionCachedRouter(CachedRouter):
    """The session of the request decides, which the middleware opens; in place of the original's
    key for each model, all that the session reads is as new as what it wrote.
    """

    cache_key_prefix = KEY_PREFIX

    def get_cache_key(self, model: Any) -> str | None:
        return None

    @property
    def asks_session(self) -> bool:
        return type(self).get_cache_key is SessionCachedRouter.get_cache_key


def _alias_of(instance: Any) -> str | None:
    state = getattr(instance, "_state", None)
    alias = getattr(state, "db", None)
    return alias if replication().knows(alias) else None
