"""Requests about the leader."""

from pathlib import Path

import pytest

from events.whole import LeaderEvent
from handler.nodes.moving import leader, leadership
from handler.record import Record
from handler.service import Service
from handler.settings import Settings
from sqlatch.errors import BadEvent
from storage.nodes import ForLeader

MOVE = LeaderEvent("move", "https://other")


def _moved(settings: Settings) -> None:
    service = Service(settings)
    try:
        leader(service, MOVE, Record("id", "direct"))
    finally:
        service.close()


def test_the_role_of_a_node_is_told(tmp_path: Path) -> None:
    alone = Service(Settings(databases=tmp_path))
    named = Service(Settings(databases=tmp_path, leader="https://a", node="https://a"))
    following = Service(Settings(log="https://a,https://b", copies=tmp_path))

    assert leadership(alone) == {"role": "leader"}
    assert leadership(named) == {"role": "leader", "leader": "https://a"}
    assert leadership(following) == {"role": "follower", "leader": "https://a"}


def test_only_a_leader_by_lease_can_be_moved(tmp_path: Path) -> None:
    with pytest.raises(BadEvent, match="here SQLATCH_LEADER is not set"):
        _moved(Settings(databases=tmp_path))
    with pytest.raises(BadEvent, match="here SQLATCH_LEADER is https://a"):
        _moved(Settings(databases=tmp_path, leader="https://a"))


def test_a_node_that_follows_sends_the_order_on(tmp_path: Path) -> None:
    with pytest.raises(ForLeader):
        _moved(Settings(log="https://a", copies=tmp_path))
