"""Reads in a URL: its fields, in both versions of the payload, and the ETags that come with it."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest

from events import http
from events.request import QueryEvent
from events.url import etags_in
from sqlatch.kernel.errors import BadEvent
from tests.events.test_http import v1, v2

SQL = "SELECT '50%', 'ä + ∞&=' WHERE n = :n"


def in_v2(**fields: Any) -> dict[str, Any]:
    return v2("GET", "/read", rawQueryString=urlencode(fields, quote_via=quote))


def in_v1(**fields: Any) -> dict[str, Any]:
    return v1("GET", "/read", queryStringParameters={one: str(fields[one]) for one in fields})


def in_v1_with_several(**fields: Any) -> dict[str, Any]:
    return v1(
        "HEAD", "/read", multiValueQueryStringParameters={one: [str(fields[one])] for one in fields}
    )


@pytest.mark.parametrize("payload", [in_v1, in_v1_with_several, in_v2])
def test_the_fields_of_a_url_are_those_of_a_request(payload: Any) -> None:
    event = payload(
        query=SQL, parameters='{"n": {"base64": "AA=="}}', database="orders", rows_as="objects",
        rows_max=5, timeout_ms=1_000, max_age_ms=0, at_least="000000000000000f",
    )  # fmt: skip

    call = http.unwrap(event)

    assert call.may_be_kept
    assert call.request == QueryEvent(
        query=SQL, parameters={"n": b"\0"}, database="orders", rows_as="objects", rows_max=5,
        timeout_ms=1_000, max_age_ms=0, at_least=15, read_only=True,
    )  # fmt: skip


def test_a_plus_is_a_space_as_in_every_url() -> None:
    assert http.unwrap(v2("GET", "/read", rawQueryString="query=SELECT+1%2B1")).request == (
        QueryEvent(query="SELECT 1+1", read_only=True)
    )


def test_the_path_and_a_header_say_what_they_say_of_a_body() -> None:
    headers = {"sqlatch-at-least": "000000000000000f", "idempotency-key": "k"}

    event = v2("GET", "/orders/read", rawQueryString="query=SELECT+1", headers=headers)

    assert http.unwrap(event).request == QueryEvent(
        query="SELECT 1", database="orders", at_least=15, read_only=True
    )


REFUSED = {
    "": "give exactly one of `query` and `statements`",
    "query=": "query: ",
    "query=SELECT+1&query=SELECT+2": "query stands in the URL twice",
    "query=SELECT+1&parameter=[]": "'parameter' is not a field of a read in a URL, which has query,"
    " parameters, database, rows_as, rows_max, timeout_ms, max_age_ms, at_least, at; did you mean"
    " parameters?",
    "query=SELECT+1&page=first": "'page' is not a field",
    "query=SELECT+1&link=csv": "'link' is not a field",
    "query=SELECT+1&idempotency_key=k": "'idempotency_key' is not a field",
    "query=SELECT+1&history=1": "'history' is not a field",
    "query=SELECT+1&parameters=1": "parameters: is neither a list nor an object",
    "query=SELECT+1&parameters=[NaN]": "the parameters are not JSON",
    "query=SELECT+1&parameters=[": "the parameters are not JSON",
    "query=SELECT+1&max_age_ms=1.5": "max_age_ms: input should be a valid integer",
    "query=SELECT+1&max_age_ms=": "max_age_ms: input should be a valid integer",
    "query=SELECT+1&max_age_ms=-1": "max_age_ms: input should be greater than or equal to 0",
    "query=SELECT+1&rows_max=99999999999999999999": "rows_max: input should be a valid integer",
    "query=SELECT+%27%E4%27": "the URL is not UTF-8 with each such byte as %XX",
    "query=SELECT+'ä'": "the URL is not UTF-8 with each such byte as %XX",
    "query=SELECT+1&database=..": "is not the name of a database",
    "query=SELECT+1&at=2026-11-22T10:15:00Z&max_age_ms=1": "`at` reads one state of the past",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_no_read_in_a_url_has_is_refused(text: str) -> None:
    with pytest.raises(BadEvent) as refusal:
        http.unwrap(v2("GET", "/read", rawQueryString=text))

    assert REFUSED[text] in refusal.value.message


def test_the_path_and_the_url_name_one_database() -> None:
    with pytest.raises(BadEvent, match=r"'orders', and the URL names 'bills'"):
        http.unwrap(v2("GET", "/orders/read", rawQueryString="query=SELECT+1&database=bills"))


def test_only_a_read_is_asked_for_by_a_url() -> None:
    for path in ("/query", "/orders/query"):
        with pytest.raises(BadEvent, match="send POST to"):
            http.unwrap(v2("GET", path, rawQueryString="query=SELECT+1"))


@pytest.mark.parametrize(
    ("header", "etags"),
    [
        ('W/"a"', {"a"}),
        ('"a"', {"a"}),
        ('W/"a" , W/"b,c",\t"a"', {"a", "b,c"}),
        ("*", set()),
        ("W/a", set()),
        ('W/"', set()),
        ("", set()),
    ],
)
def test_the_etags_that_a_caller_has_are_compared_weakly(header: str, etags: set[str]) -> None:
    assert etags_in({"if-none-match": header}) == etags


SIGNED: dict[str, dict[str, Any]] = {
    "a token": {"headers": {"Authorization": "Bearer x"}},
    "a signature in the URL": {"rawQueryString": "query=SELECT+1&X-Amz-Signature=x"},
    "an authorizer": {"authorizer": {"iam": {"userArn": "arn"}}},
    "a client certificate": {"authentication": {"clientCert": {}}},
}


@pytest.mark.parametrize("name", SIGNED)
def test_a_request_with_credentials_is_not_open(name: str) -> None:
    signed = dict(SIGNED[name])
    context = {one: signed.pop(one) for one in ("authorizer", "authentication") if one in signed}
    event = v2("GET", "/read", **{"rawQueryString": "query=SELECT+1", **signed})
    event["requestContext"] |= context

    assert isinstance(http.unwrap(event).request, QueryEvent)
    assert not http.is_open(event)


def test_a_request_of_the_older_payload_is_not_open() -> None:
    assert http.is_open(in_v2(query="SELECT 1"))
    assert not http.is_open(in_v1(query="SELECT 1"))
