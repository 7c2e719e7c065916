"""What a caller over HTTP may: all that he asks, or what his token permits."""

from collections.abc import Callable
from dataclasses import replace

from events.request import HealthEvent, QueryEvent
from handler.service import Service
from sqlatch.errors import Unauthorized

Request = QueryEvent | HealthEvent


def permission(service: Service, authorization: str | None) -> Callable[[Request], Request]:
    """What makes of a request the one that is permitted; Unauthorized if none is.

    In two steps, so that a body is parsed only for a caller who may ask something.
    """
    if service.settings.http_auth == "none":
        return lambda request: request
    access = service.tokens.access(authorization, service.clock.now())

    def permitted(request: Request) -> Request:
        if isinstance(request, HealthEvent):
            if access.databases is not None:
                raise Unauthorized("health names every database, and the token is not for all")
            return request
        access.allow(request.database)
        return request if access.writes else replace(request, read_only=True)

    return permitted
