"""A cache that may be away: what it cannot keep is logged, and no request fails for it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

logger = logging.getLogger("sqlatch.django")

NOT_KEPT = "a session was not kept in it, and is as it was before if it still is there"
NOT_DELETED = "a session was not deleted from it, and holds until it expires there"


@contextmanager
def may_fail(what: str) -> Iterator[None]:
    """Log where the cache fails, and go on. Each backend has errors of its own, hence Exception."""
    try:
        yield
    except Exception:
        logger.exception("the cache does not answer: %s", what)


class SessionCache:
    """A cache as Django's session store uses it. A cache that does not answer is an empty one."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def get(self, key: str) -> Any:
        with may_fail("a session is read from the leader"):
            return self._cache.get(key)
        return None

    async def aget(self, key: str) -> Any:
        with may_fail("a session is read from the leader"):
            return await self._cache.aget(key)
        return None

    def set(self, key: str, value: Any, timeout: float | None) -> None:
        with may_fail(NOT_KEPT):
            self._cache.set(key, value, timeout)

    async def aset(self, key: str, value: Any, timeout: float | None) -> None:
        with may_fail(NOT_KEPT):
            await self._cache.aset(key, value, timeout)

    def delete(self, key: str) -> None:
        with may_fail(NOT_DELETED):
            self._cache.delete(key)

    async def adelete(self, key: str) -> None:
        with may_fail(NOT_DELETED):
            await self._cache.adelete(key)

    def __contains__(self, key: str) -> bool:
        with may_fail("a session is looked for at the leader"):
            return key in self._cache
        return False
