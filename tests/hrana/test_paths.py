"""The paths of the protocol: which of them there are, and what is told of all others."""

import pytest

from hrana.paths import Target, check_target, target_of
from hrana.refusals import RequestRefused

TARGETS = {
    "/main/v2/pipeline": Target("main", "v2", "pipeline"),
    "/main//v3/cursor/": Target("main", "v3", "cursor"),
    "/v3/pipeline": Target("", "v3", "pipeline"),
    "/main/v3-protobuf": Target("main", "v3-protobuf", ""),
    "/main/v1/execute": Target("main", "v1", "execute"),
}
REFUSED = {
    Target("main", "v1", "pipeline"): ("NOT_FOUND", 404),
    Target("main", "v2", "cursor"): ("NOT_FOUND", 404),
    Target("main", "v3-protobuf", "pipeline"): ("NOT_FOUND", 404),
    Target("main", "v3", ""): ("NOT_FOUND", 404),
    Target("", "v3", "pipeline"): ("DATABASE_NOT_NAMED", 400),
    Target("Main", "v3", "pipeline"): ("BAD_REQUEST", 400),
    Target("-main", "v3", "pipeline"): ("BAD_REQUEST", 400),
    Target("..", "v3", "pipeline"): ("BAD_REQUEST", 400),
    Target("a" * 64, "v3", "pipeline"): ("BAD_REQUEST", 400),
}


@pytest.mark.parametrize("path", TARGETS)
def test_a_path_names_a_database_a_version_and_an_endpoint(path: str) -> None:
    assert target_of(path) == TARGETS[path]


@pytest.mark.parametrize("path", ["/query", "/health", "/main/query", "/v4/pipeline", "", "v3"])
def test_any_other_path_is_none_of_the_protocol(path: str) -> None:
    assert target_of(path) is None


@pytest.mark.parametrize("name", ["main", "0", "a_b-c", "a" * 63])
def test_a_database_may_have_that_name(name: str) -> None:
    check_target(Target(name, "v3", "pipeline"), base_url="https://h", example="main")


@pytest.mark.parametrize("target", REFUSED, ids=str)
def test_a_path_that_leads_nowhere_is_refused(target: Target) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_target(target, base_url="https://h", example="orders")

    assert (refused.value.code, refused.value.status) == REFUSED[target]


def test_the_refusal_of_a_url_without_a_database_has_one_that_works() -> None:
    with pytest.raises(RequestRefused, match="https://h/orders/ "):
        check_target(Target("", "v2", "pipeline"), base_url="https://h", example="orders")
