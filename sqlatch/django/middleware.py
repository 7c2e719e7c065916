"""A session for each request: the browser itself carries the time of its last write, signed."""

import math
from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.utils.cache import patch_vary_headers

from sqlatch.django import lag
from sqlatch.django.replication import replication

COOKIE = "sqlatch_written"
POSITION_COOKIE = "sqlatch_position"
POSITION_S = 86_400
"""Each follower has a commit that is older than this, or is away."""
SALT = "sqlatch.django.middleware"


class ReplicationLagMiddleware:
    """Opens the session of the request; its place is before SessionMiddleware.

    A cookie needs nothing that the instances share. With REPLICATION_LAG_KEY the last write is
    kept in the cache too, under the key that it gives for a request: for clients that keep no
    cookies. The clocks of the instances may differ; add that difference to REPLICATION_LAG.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        if iscoroutinefunction(self):
            return self._acall(request)
        with lag.session(
            _key(request), written_at=_cookie(request), position=_position(request)
        ) as session:
            response = self.get_response(request)
        if session.wrote:
            _keep_under_new_key(request, session)
            _set_cookies(response, session)
        return response

    async def _acall(self, request: Any) -> Any:
        key = await sync_to_async(_key)(request) if replication().key else None
        async with lag.session(
            key, written_at=_cookie(request), position=_position(request)
        ) as session:
            response = await self.get_response(request)
        if session.wrote:
            if replication().key:
                await sync_to_async(_keep_under_new_key)(request, session)
            _set_cookies(response, session)
        return response


def session_key(request: Any) -> str | None:
    """For REPLICATION_LAG_KEY, with the middleware after SessionMiddleware: Django's session."""
    return getattr(request.session, "session_key", None)


def _key(request: Any) -> str | None:
    key = replication().key
    return key(request) if key else None


def _keep_under_new_key(request: Any, session: lag.Session) -> None:
    """A login gives the session another key."""
    key = _key(request)
    if key and key != session.key:
        lag.keep(key, session.written_at)


def _cookie(request: Any) -> float:
    """Return the time of the last write that the cookie holds; 0 if it is not signed by us."""
    value = request.get_signed_cookie(COOKIE, default="0", salt=SALT)
    return int(value) / 1000 if value.isdecimal() else 0.0


def _position(request: Any) -> str | None:
    """Return the position of the last write that the cookie holds; None if there is none."""
    if not replication().positions:
        return None
    return request.get_signed_cookie(POSITION_COOKIE, default=None, salt=SALT) or None


def _set_cookies(response: Any, session: lag.Session) -> None:
    if session.position is not None:
        _set_cookie(response, POSITION_COOKIE, session.position, POSITION_S)
    if session.written_at:
        written_ms = str(math.ceil(session.written_at * 1000))
        _set_cookie(response, COOKIE, written_ms, max(1, math.ceil(replication().lag_s)))
    patch_vary_headers(response, ("Cookie",))


def _set_cookie(response: Any, name: str, value: str, max_age_s: int) -> None:
    response.set_signed_cookie(
        name,
        value,
        salt=SALT,
        max_age=max_age_s,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
