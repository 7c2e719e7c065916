"""Django's sessions where followers lag: read from the cache, else from the leader.

SESSION_ENGINE = "sqlatch.django.sessions". The row is written to the leader before save() returns,
then the cache: a process that dies has lost nothing that was answered.
"""

from typing import Any

from django.conf import settings
from django.contrib.sessions.backends.cached_db import SessionStore as CachedStore
from django.core.cache import caches

from sqlatch.django import lag
from sqlatch.django.caching import SessionCache

KEY_PREFIX = "sqlatch.django.sessions"


class SessionStore(CachedStore):
    """A follower may not have a login yet, or still have one that was logged out, so it is never
    asked; and for that reason a session's own rows pin nobody to the leader.
    """

    cache_key_prefix = KEY_PREFIX

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache: Any = SessionCache(caches[settings.SESSION_CACHE_ALIAS])

    def _get_session_from_db(self) -> Any:
        with lag.leader():
            return super()._get_session_from_db()

    async def _aget_session_from_db(self) -> Any:
        with lag.leader():
            return await super()._aget_session_from_db()

    def exists(self, session_key: str | None) -> bool:
        with lag.leader():
            return bool(super().exists(session_key))

    async def aexists(self, session_key: str | None) -> bool:
        with lag.leader():
            return bool(await super().aexists(session_key))

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        with lag.unnoticed():
            super().save(must_create)

    async def asave(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002
        with lag.unnoticed():
            await super().asave(must_create)

    def delete(self, session_key: str | None = None) -> None:
        with lag.leader(), lag.unnoticed():  # delete() looks the row up before
            super().delete(session_key)

    async def adelete(self, session_key: str | None = None) -> None:
        with lag.leader(), lag.unnoticed():
            await super().adelete(session_key)
