"""HTTP authorization: unrestricted, or limited to what a token allows."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from events import http
from events.request import Request
from events.whole import BranchEvent, HealthEvent, HistoryEvent, LeaderEvent, ManageEvent
from handler.service import Service
from sqlatch.kernel.errors import Unauthorized

if TYPE_CHECKING:
    from handler.tokens import Access


def permission(service: Service, event: Mapping[str, Any]) -> Callable[[Request], Request]:
    """Return a function that limits a request to what its caller may do; Unauthorized if nothing.

    In two steps, so that a body is parsed only for a caller who may ask something.
    """
    access = access_of(service, event)
    if access is None:
        return lambda request: request

    def permitted(request: Request) -> Request:
        if isinstance(request, HealthEvent):
            if access.databases is not None:
                raise Unauthorized("health names every database, and the token is not for all")
            return request
        if isinstance(request, ManageEvent | BranchEvent):
            if access.databases is not None or not access.writes:
                raise Unauthorized(
                    "a database is made or deleted as a whole with a token that may write to all"
                    " databases"
                )
            return request
        if isinstance(request, LeaderEvent):
            if request.leader == "move" and (access.databases is not None or not access.writes):
                raise Unauthorized(
                    "the leader is moved with a token that may write to all databases"
                )
            return request
        access.allow(request.database)
        if isinstance(request, HistoryEvent) or access.writes:
            return request
        return replace(request, read_only=True)

    return permitted


def access_of(service: Service, event: Mapping[str, Any]) -> "Access | None":
    """Return what the token of a caller permits; None where API Gateway alone decides."""
    settings = service.settings
    if settings.http_auth == "token":
        return service.tokens.access(
            http.headers_of(event).get("authorization"), service.clock.now()
        )
    if settings.jwt_databases_claim:
        from handler.tokens import access_by_claim

        return access_by_claim(http.jwt_claims(event), settings.jwt_databases_claim)
    return None
