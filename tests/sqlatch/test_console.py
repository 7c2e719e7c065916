"""The files of the console as they are served, on which the page's safety stands."""

import gzip
import re
from base64 import b64decode

import pytest

from handler import query
from handler.local import LocalContext
from handler.service import service
from sqlatch.kernel import console
from tests.conftest import forget


def event(path: str, method: str = "GET", **headers: str) -> dict[str, object]:
    http = {"method": method, "path": path}
    return {
        "rawPath": path, "headers": headers, "requestContext": {"http": http, "stage": "$default"}
    }  # fmt: skip


def asked(path: str, method: str = "GET", **headers: str) -> dict[str, object]:
    answer: dict[str, object] = query.lambda_handler(event(path, method, **headers), LocalContext())
    return answer


@pytest.fixture
def served(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQLATCH_CONSOLE", "true")
    monkeypatch.setenv("SQLATCH_HTTP_AUTH", "token")
    forget(service)


def test_it_is_off_unless_a_setting_says_so(environment: dict[str, str]) -> None:
    assert asked("/console")["statusCode"] == 404


@pytest.mark.usefixtures("served")
def test_the_page_names_assets_that_are_kept_for_ever() -> None:
    page = asked("/console")

    assert page["statusCode"] == 200
    assert page["headers"]["cache-control"] == "no-cache"  # type: ignore[index]
    names = re.findall(r'"(console/[^"]+)"', str(page["body"]))
    assert len(names) == 3
    for name in names:
        asset = asked(f"/{name}")
        assert asset["headers"]["cache-control"] == console.FOR_EVER  # type: ignore[index]
        assert re.search(r"-[0-9a-f]{12}\.(js|css|svg)$", name)


@pytest.mark.usefixtures("served")
def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    page = asked("/console")

    policy = str(page["headers"]["content-security-policy"])  # type: ignore[index]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    inline = r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:"
    assert re.search(inline, str(page["body"])) is None


@pytest.mark.usefixtures("served")
def test_it_is_packed_for_a_browser_that_takes_gzip() -> None:
    plain = asked("/console")
    packed = asked("/console", **{"accept-encoding": "gzip"})

    assert packed["headers"]["content-encoding"] == "gzip"  # type: ignore[index]
    assert gzip.decompress(b64decode(str(packed["body"]))).decode() == plain["body"]


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("path", ["/console/", "/console/app.js", "/console/console.html"])
def test_other_paths_are_not_of_the_page(path: str) -> None:
    assert asked(path)["statusCode"] != 200


@pytest.mark.usefixtures("served")
def test_a_database_named_console_keeps_its_own_paths() -> None:
    """They are /console/query and what libSQL clients ask; here without a token."""
    assert asked("/console/v2")["statusCode"] == 200
    assert asked("/console/query", "POST")["statusCode"] == 401
    assert asked("/console/v2/pipeline", "POST")["statusCode"] == 401
