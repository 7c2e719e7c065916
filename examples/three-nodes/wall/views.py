"""The API: the newest messages, a new one, how many each node took, and the health of the node."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.models import Count
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from sqlatch.client import connect
from sqlatch.errors import SqlatchError
from wall.models import Message

NEWEST = 100
NODE_S = 3
"""How long the node may take to tell its health."""

View = Callable[[HttpRequest], JsonResponse]


def at_this_node(view: View) -> View:
    """Name the node in each answer; where the database cannot be asked or written, answer 503."""

    @wraps(view)
    def answer(request: HttpRequest) -> JsonResponse:
        try:
            answered = view(request)
        except OperationalError as error:
            code = getattr(error.__cause__, "sqlite_errorname", "")
            answered = JsonResponse({"error": str(error), "code": code}, status=503)
        except SqlatchError as error:
            answered = JsonResponse({"error": error.message, "code": error.code}, status=503)
        answered.headers["X-Node"] = settings.NODE_NAME
        return answered

    return answer


@require_GET
@at_this_node
def health(_request: HttpRequest) -> JsonResponse:
    count = Message.objects.count()
    told = {"status": "healthy", "node_name": settings.NODE_NAME, "message_count": count}
    return JsonResponse(told | _node())


def _node() -> dict[str, Any]:
    """Return the role of the node, who leads, and how far it is behind if it follows by URL."""
    database = settings.DATABASES["default"]
    token = database["OPTIONS"]["token"]
    with connect(database["NAME"], token=token, timeout_s=NODE_S, attempt_s=NODE_S) as client:
        health = client.health()
    told = {name: health[name] for name in ("role", "leader") if name in health}
    lags = [each["lag_ms"] for each in health["databases"] if "lag_ms" in each]
    return told | {"lag_ms": lags[0]} if lags else told


@require_GET
@at_this_node
def messages(_request: HttpRequest) -> JsonResponse:
    newest = Message.objects.values("id", "content", "node_name", "created_at")[:NEWEST]
    return JsonResponse({"node_name": settings.NODE_NAME, "messages": list(newest)})


@csrf_exempt
@require_POST
@at_this_node
def create(request: HttpRequest) -> JsonResponse:
    """The site of a follower writes as that of the leader does: the node sends the write on."""
    try:
        content = str(json.loads(request.body)["content"]).strip()
    except (ValueError, TypeError, KeyError):
        content = ""
    if not content:
        return JsonResponse({"error": 'the body is JSON: {"content": "..."}'}, status=400)
    message = Message.objects.create(content=content, node_name=settings.NODE_NAME)
    return JsonResponse({"id": message.id, "node_name": message.node_name}, status=201)


@require_GET
@at_this_node
def stats(_request: HttpRequest) -> JsonResponse:
    counted = Message.objects.order_by().values_list("node_name").annotate(Count("id"))
    by_node = dict(counted)
    return JsonResponse(
        {
            "node_name": settings.NODE_NAME,
            "total_messages": sum(by_node.values()),
            "by_node": by_node,
        }
    )
