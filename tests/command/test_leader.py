"""`sqlatch leader`: which node leads, and that another one shall."""

from pathlib import Path

import pytest

from tests.command.conftest import Sqlatch
from tests.handler.leaders import cluster, until


def test_a_service_without_a_leader_says_so(sqlatch: Sqlatch, url: str) -> None:
    ended = sqlatch("leader", "-u", url)
    assert (ended.code, ended.out) == (
        0, "no leader: each node writes by itself (SQLATCH_LEADER is not set)\n",
    )  # fmt: skip
    ended = sqlatch("leader", "move", "-u", url)
    assert ended.code != 0
    assert "only a leader by lease can be moved" in ended.err


def test_the_leader_is_shown_and_moved(
    sqlatch: Sqlatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with cluster(tmp_path, "a", lease_s=1.0) as (member,):
        monkeypatch.setenv("SQLATCH_TOKEN", member.token)
        monkeypatch.setenv("SQLATCH_URL", f"{member.url}/main/")
        shown = until(lambda: _shown(sqlatch))
        assert shown.startswith(f"{member.url} leads, term 1, since ")

        nobody = "http://127.0.0.1:9"
        ended = sqlatch("leader", "move", "--timeout", "3", nobody)
        assert f"{nobody} is not fit to lead, and {member.url} goes on leading" in ended.err
        assert sqlatch("leader", "move").out == "the leader has stepped down\n"
        assert "term 3" in until(lambda: _shown(sqlatch))


def _shown(sqlatch: Sqlatch) -> str:
    """Return who leads; nothing if nobody does."""
    ended = sqlatch("leader")
    assert ended.code in {0, 5}
    return "" if ended.code else ended.out
