"""nginx in front of `sqlatch serve`: what its cache answers, and what reaches the service."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import urllib3

from sqlatch.tokens import new_key, sign
from tests.clients.conftest import ROOT
from tests.local_server import serving
from tests.pages import blocks, free_ports

pytestmark = pytest.mark.clients

NGINX = ROOT / "build" / "nginx" / "usr" / "sbin" / "nginx"
SELECT = "SELECT n FROM t ORDER BY n"
DAY_MS = 24 * 3_600 * 1_000
SECOND_MS = 1_000
END_S = 60

AROUND = """
daemon off; master_process off; pid {place}/pid; error_log {place}/errors;
events {{}}
http {{
    access_log off; client_body_temp_path {place}/body; proxy_temp_path {place}/proxy;
    fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;
    {page}
}}
"""


@dataclass
class Proxied:
    """A service, the nginx in front of it, and the lines that the service has logged."""

    service: str
    nginx: str
    log: Path
    pool: urllib3.PoolManager

    def get(
        self, sql: str = SELECT, headers: Mapping[str, str] | None = None, **fields: Any
    ) -> urllib3.BaseHTTPResponse:
        """Read through nginx."""
        url = f"{self.nginx}/read?{urlencode({'query': sql, **fields})}"
        return self.pool.request("GET", url, headers=headers)

    def write(self, sql: str, token: str | None = None) -> None:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        answer = self.pool.request(
            "POST", f"{self.service}/query", json={"query": sql}, headers=headers
        )
        assert answer.status == 200, answer.data

    def reads(self) -> list[dict[str, Any]]:
        """Return the lines of the reads that have reached the service over HTTP."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if line.get("kind") == "read"]


@contextmanager
def proxied(
    tmp_path: Path, *, changes: Mapping[str, str] | None = None, **settings: str
) -> Iterator[Proxied]:
    """Serve an empty directory behind nginx, with the configuration of the page, changed."""
    place = tmp_path / "nginx"
    place.mkdir()
    (page,) = blocks((ROOT / "docs" / "http.md").read_text(), "nginx")
    inherited = {name: value for name, value in os.environ.items() if "SQLATCH" not in name}
    log = tmp_path / "log"
    with ExitStack() as stack:
        (port,) = stack.enter_context(free_ports(1))
        exported = stack.enter_context(
            serving(
                *("--databases", str(tmp_path / "databases"), "--workers", "2", "--json"),
                environment=inherited | settings,
                log=stack.enter_context(log.open("w")),
            )
        )
        service = exported["SQLATCH_URL"].removesuffix("/main/")
        for old, new in {
            "8080": f"127.0.0.1:{port}",
            "http://127.0.0.1:8000": service,
            "/var/cache/nginx": str(place),
            **(changes or {}),
        }.items():
            assert old in page
            page = page.replace(old, new)
        (place / "conf").write_text(AROUND.format(place=place, page=page))
        nginx = subprocess.Popen([NGINX, "-p", place, "-c", place / "conf", "-e", place / "errors"])
        stack.callback(nginx.wait, END_S)
        stack.callback(nginx.terminate)
        pool = stack.enter_context(
            urllib3.PoolManager(retries=urllib3.Retry(connect=20, backoff_factor=0.05))
        )
        yield Proxied(service, f"http://127.0.0.1:{port}", log, pool)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    with proxied(tmp_path_factory.mktemp("proxied")) as both:
        yield both


@pytest.fixture
def proxy(both: Proxied) -> Proxied:
    """The service and its proxy, with a table of one row."""
    both.write("DROP TABLE IF EXISTS t")
    both.write("CREATE TABLE t AS SELECT 1 AS n")
    return both


def rows(answer: urllib3.BaseHTTPResponse) -> Any:
    assert answer.status == 200, answer.data
    return answer.json()["rows"]


def until_not_a_hit(proxy: Proxied, sql: str) -> urllib3.BaseHTTPResponse:
    """Ask until nginx has asked the service again, which counts in seconds."""
    ends_at_s = time.monotonic() + END_S
    while time.monotonic() < ends_at_s:
        answer = proxy.get(sql, max_age_ms=SECOND_MS)
        if answer.headers["x-cache"] != "HIT":
            return answer
        time.sleep(0.05)
    raise AssertionError("nginx goes on answering from its cache")


def test_within_max_age_the_service_is_not_reached(proxy: Proxied) -> None:
    before = len(proxy.reads())
    answers = [proxy.get(f"{SELECT} -- hit", max_age_ms=DAY_MS) for _ in range(3)]
    known = {"if-none-match": answers[0].headers["etag"]}
    not_modified = proxy.get(f"{SELECT} -- hit", known, max_age_ms=DAY_MS)

    assert [one.headers["x-cache"] for one in answers] == ["MISS", "HIT", "HIT"]
    assert len({one.data for one in answers}) == 1
    assert (not_modified.status, not_modified.data) == (304, b"")
    assert len(proxy.reads()) == before + 1


def test_behind_max_age_the_service_is_reached_once_and_runs_no_query(proxy: Proxied) -> None:
    sql = f"{SELECT} -- revalidated"
    first = proxy.get(sql, max_age_ms=SECOND_MS)
    before = len(proxy.reads())

    again = until_not_a_hit(proxy, sql)

    assert (again.headers["x-cache"], again.data) == ("REVALIDATED", first.data)
    (line,) = proxy.reads()[before:]
    assert "shapes" not in line


def test_a_commit_is_seen_behind_max_age(proxy: Proxied) -> None:
    sql = f"{SELECT} -- commit"
    assert rows(proxy.get(sql, max_age_ms=SECOND_MS)) == [[1]]
    proxy.write("INSERT INTO t VALUES (2)")

    again = until_not_a_hit(proxy, sql)

    assert (again.headers["x-cache"], rows(again)) == ("EXPIRED", [[1], [2]])


@pytest.mark.parametrize("sql", ["SELECT random()", "SELECT datetime('now')", "SELECT nothing"])
def test_what_follows_from_more_than_the_database_is_not_kept(sql: str, proxy: Proxied) -> None:
    before = len(proxy.reads())

    answers = [proxy.get(sql, max_age_ms=DAY_MS) for _ in range(2)]

    assert {one.headers["x-cache"] for one in answers} == {"MISS"}
    assert len(proxy.reads()) == before + 2


def test_who_waits_for_a_position_is_not_answered_from_before(proxy: Proxied) -> None:
    sql = f"{SELECT} -- position"
    proxy.get(sql, max_age_ms=DAY_MS)

    answer = proxy.get(sql, {"sqlatch-at-least": "0" * 16}, max_age_ms=DAY_MS)

    assert (answer.status, answer.headers["x-cache"]) == (400, "MISS")


@pytest.mark.parametrize(
    ("changes", "cached"),
    [
        ({}, ["MISS", "MISS", "MISS"]),
        # As an operator may have it, who means to cache for callers with tokens.
        (
            {"proxy_cache_revalidate on;": "proxy_ignore_headers Cache-Control;"
             " proxy_cache_valid 200 1d; proxy_cache_revalidate on;"},
            ["MISS", "HIT", "MISS"],
        ),
    ],
    ids=["as the page has it", "told to keep what is private"],
)  # fmt: skip
def test_two_callers_never_get_each_others_rows(
    changes: dict[str, str], cached: list[str], tmp_path: Path
) -> None:
    private, public = new_key()
    one, other = (
        sign(private, access="rw", databases=[name], lifetime_s=DAY_MS // SECOND_MS)
        for name in ("main", "other")
    )
    settings = {"SQLATCH_TOKEN_KEYS": public, "SQLATCH_HTTP_AUTH": "token"}
    with proxied(tmp_path, changes=changes, **settings) as proxy:
        proxy.write("CREATE TABLE t AS SELECT 1 AS n", one)

        def as_caller(token: str) -> urllib3.BaseHTTPResponse:
            return proxy.get(headers={"authorization": f"Bearer {token}"}, max_age_ms=DAY_MS)

        answers = [as_caller(one), as_caller(one), as_caller(other)]
        nobody = proxy.get(max_age_ms=DAY_MS)

        assert [answer.headers["x-cache"] for answer in answers] == cached
        assert [answer.status for answer in (*answers, nobody)] == [200, 200, 401, 401]
        assert answers[0].headers["cache-control"].startswith("private, ")
