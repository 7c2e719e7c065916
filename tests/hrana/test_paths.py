"""The paths of the protocol: which of them there are, and what is told of all others."""

import pytest

from hrana.paths import Endpoint, check_endpoint, endpoint_of
from hrana.refusals import RequestRefused

ENDPOINTS = {
    "/main/v2/pipeline": Endpoint("main", "v2", "pipeline"),
    "/main//v3/cursor/": Endpoint("main", "v3", "cursor"),
    "/v3/pipeline": Endpoint("", "v3", "pipeline"),
    "/main/v3-protobuf": Endpoint("main", "v3-protobuf", ""),
    "/main/v1/execute": Endpoint("main", "v1", "execute"),
}
REFUSED = {
    Endpoint("main", "v1", "pipeline"): ("NOT_FOUND", 404),
    Endpoint("main", "v2", "cursor"): ("NOT_FOUND", 404),
    Endpoint("main", "v3-protobuf", "pipeline"): ("NOT_FOUND", 404),
    Endpoint("main", "v3", ""): ("NOT_FOUND", 404),
    Endpoint("", "v3", "pipeline"): ("DATABASE_NOT_NAMED", 400),
    Endpoint("Main", "v3", "pipeline"): ("BAD_REQUEST", 400),
    Endpoint("-main", "v3", "pipeline"): ("BAD_REQUEST", 400),
    Endpoint("..", "v3", "pipeline"): ("BAD_REQUEST", 400),
    Endpoint("a" * 64, "v3", "pipeline"): ("BAD_REQUEST", 400),
}


@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_path_names_a_database_a_version_and_an_endpoint(path: str) -> None:
    assert endpoint_of(path) == ENDPOINTS[path]


@pytest.mark.parametrize("path", ["/query", "/health", "/main/query", "/v4/pipeline", "", "v3"])
def test_any_other_path_is_none_of_the_protocol(path: str) -> None:
    assert endpoint_of(path) is None


@pytest.mark.parametrize("name", ["main", "0", "a_b-c", "a" * 63])
def test_a_database_may_have_that_name(name: str) -> None:
    check_endpoint(Endpoint(name, "v3", "pipeline"), base_url="https://h", example="main")


@pytest.mark.parametrize("endpoint", REFUSED, ids=str)
def test_a_path_that_leads_nowhere_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(RequestRefused) as refused:
        check_endpoint(endpoint, base_url="https://h", example="orders")

    assert (refused.value.code, refused.value.status) == REFUSED[endpoint]


def test_the_refusal_of_a_url_without_a_database_has_one_that_works() -> None:
    with pytest.raises(RequestRefused, match="https://h/orders/ "):
        check_endpoint(Endpoint("", "v2", "pipeline"), base_url="https://h", example="orders")
