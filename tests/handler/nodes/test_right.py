"""What is sent to no other node is refused where another one leads, and nothing is done here."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from handler import local_replica, query, transfer
from handler.local import LocalContext
from handler.service import Service
from handler.settings import Settings
from sqlatch.kernel.errors import BadEvent

OTHER = "http://127.0.0.1:9"


@pytest.fixture(params=["leads", "is followed"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    """At a node beside another one, which leads, or of which this one has a copy."""
    settings = Settings(log=OTHER, copies=tmp_path)
    if request.param == "leads":
        (tmp_path / "shared").mkdir()
        settings = Settings(log=f"directory:{tmp_path / 'shared'}", copies=tmp_path, leader=OTHER)
    with closing(Service(settings)) as service:
        yield service


def queue() -> Any:
    return query.lambda_handler({"Records": []}, LocalContext())


def copied(move: str) -> Any:
    event = {"move": move, "database": "main", "key": "main.db"}
    return transfer.lambda_handler(event, LocalContext())


@pytest.mark.parametrize(
    ("refused", "what"),
    [
        (queue, "takes no queue"),
        (lambda: copied("in"), "takes no database in"),
        (lambda: copied("over"), "takes no database in"),
    ],
    ids=["queue", "in", "over"],
)
def test_what_is_for_the_leader_and_is_not_sent_there_is_refused(
    service: Service, refused: Callable[[], Any], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (query, transfer):
        monkeypatch.setattr(module, "service", lambda: service)

    with pytest.raises(BadEvent, match=what):
        refused()


def test_an_import_is_refused_before_it_begins_a_log(service: Service, tmp_path: Path) -> None:
    with pytest.raises(BadEvent, match="imports no database"):
        local_replica.imported(service, "main", tmp_path)
