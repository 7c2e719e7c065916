"""Django's system check of the routing settings: a router that asks the session needs one."""

from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.utils.module_loading import import_string

from sqlatch.django.middleware import ReplicationLagMiddleware
from sqlatch.django.replication import replication

MIDDLEWARE = f"{ReplicationLagMiddleware.__module__}.{ReplicationLagMiddleware.__qualname__}"


@checks.register("sqlatch")
def check_routing(**_asked: Any) -> list[checks.CheckMessage]:
    """Report settings that are wrong, or that leave the followers idle."""
    names = [
        f"{type(each).__module__}.{type(each).__qualname__}"
        for each in router.routers
        if getattr(each, "asks_session", False)
    ]
    try:
        followers = replication().followers
    except ImproperlyConfigured as error:
        return [checks.Error(str(error), id="sqlatch.E001")]
    if not names or not followers or any(map(_opens_session, settings.MIDDLEWARE)):
        return []
    return [
        checks.Warning(
            f"{names[0]} reads from the leader alone: MIDDLEWARE does not open a session of reads"
            " for a request",
            hint=f"Put {MIDDLEWARE!r} first in MIDDLEWARE, or silence this where only lag.session()"
            " asks for followers.",
            id="sqlatch.W001",
        )
    ]


def _opens_session(path: str) -> bool:
    try:
        middleware = import_string(path)
    except ImportError:
        return False  # Django itself says so when it loads it
    return isinstance(middleware, type) and issubclass(middleware, ReplicationLagMiddleware)
