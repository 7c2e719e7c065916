"""What is given to `connect`: a replica needs a path, and nothing else takes one."""

from pathlib import Path
from typing import Any

import pytest

import sqlatch
from sqlatch import aio
from sqlatch.failures import BadUrl
from sqlatch.opening import MAX_AGE_MS, Copy, copy_of
from sqlatch.url import HttpTarget, ReplicaTarget, target_of

REPLICA = "replica+http://127.0.0.1:9/main"
CASES = [
    (REPLICA, {}, "a replica needs path="),
    (REPLICA, {"path": ""}, "a replica needs path="),
    (REPLICA, {"path": "x", "max_age_ms": -1}, "max_age_ms is 0 or more"),
    ("http://127.0.0.1:9/main", {"path": "x"}, "path and max_age_ms are of a replica"),
    ("lambda://f/main", {"max_age_ms": 1}, "path and max_age_ms are of a replica"),
    ("replica+lambda://f/main", {"path": "x"}, "a replica is of a database at replica"),
    ("replica+replica+http://h/main", {"path": "x"}, "a replica is of a database at replica"),
    ("replica+http://h/main", {"path": "x", "token": "t"}, "a token goes over https://"),
    ("replica+https://h", {"path": "x"}, "the URL names no database"),
]


@pytest.mark.parametrize(("url", "options", "why"), CASES)
def test_what_cannot_be_is_refused(url: str, options: dict[str, Any], why: str) -> None:
    for connect in (sqlatch.connect, aio.connect):
        with pytest.raises(BadUrl, match=why):
            connect(url, **options)


def test_a_replica_is_of_a_leader_and_has_a_copy() -> None:
    target = target_of("replica+https://h/prefix/main/")

    assert target == ReplicaTarget(HttpTarget("https://h", "h", "/prefix", "main"))
    assert target.database == "main"
    assert copy_of(target, "x", None) == Copy(Path.cwd() / "x", MAX_AGE_MS)
    assert copy_of(target, Path("/x"), 5) == Copy(Path("/x"), 5)
    assert copy_of(target_of("https://h/main"), None, None) is None
