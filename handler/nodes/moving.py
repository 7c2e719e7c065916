"""Requests about the leader: who leads, and that another node shall."""

from typing import Any

from events.whole import LeaderEvent
from handler.record import Record
from handler.service import Service
from sqlatch.kernel.aws.errors import Unavailable
from sqlatch.kernel.aws.signature import Request
from sqlatch.kernel.errors import BadEvent, LeaderUnreachable
from sqlatch.kernel.node import Node
from storage.nodes import ForLeader

ANSWER_S = 5.0
"""How long the node that is to lead may take to answer."""

BROKEN = 500


def leadership(service: Service) -> dict[str, Any]:
    """Return the role of this node, and who leads: with a lease also its term and its times.

    Without a leader each node writes, and none is named.
    """
    settings = service.settings
    if settings.nodes:
        return {"role": "follower", "leader": service.leader.url}
    if not settings.leader:
        return {"role": "leader"}
    try:
        return service.leading.told()
    except LeaderUnreachable:
        return {"role": "follower", "leader": None}


def leader(service: Service, event: LeaderEvent, record: Record) -> dict[str, Any]:
    """Return who leads; before, make another node do so if that is asked for."""
    record.kind = "leader"
    if event.leader == "move":
        _move(service, (event.to or "").rstrip("/"))
    return leadership(service)


def _move(service: Service, to: str) -> None:
    if service.settings.nodes:
        raise ForLeader
    if service.settings.cluster is None:
        raise BadEvent(
            "only a leader by lease can be moved: here SQLATCH_LEADER is"
            f" {service.settings.leader or 'not set'}",
            field="leader",
        )
    leading = service.leading
    if leading.leads and to and to != service.settings.node:
        _check_that_it_answers(to, service)
    leading.move(to)


def _check_that_it_answers(node: str, service: Service) -> None:
    """LeaderUnreachable unless it does: nobody would lead until the lease is over."""
    asked = Node(node, service.settings.log_token)
    try:
        deadline_s = service.clock.now() + ANSWER_S
        status = asked.ask(Request("GET", "/health"), deadline_s=deadline_s).status
        reason = f"it answers with HTTP {status}" if status >= BROKEN else ""
    except Unavailable as error:
        reason = str(error)
    finally:
        asked.close()
    if reason:
        raise LeaderUnreachable(
            f"{node} is not fit to lead, and {service.settings.node} goes on leading: {reason}",
            leader=service.settings.node,
            outcome="nothing",
        )
