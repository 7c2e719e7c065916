"""URLs: their parts, and why one is refused."""

import pytest

from sqlatch.client import connect
from sqlatch.failures import BadUrl
from sqlatch.url import HttpTarget, LambdaTarget, Target, target_of

ARN = "arn:aws:lambda:eu-west-1:123456789012:function:sqlatch-query"
TARGETS: list[tuple[str, Target]] = [
    ("lambda://sqlatch-query/main", LambdaTarget("sqlatch-query", None, "main")),
    ("lambda://sqlatch-query:live/a-1_b", LambdaTarget("sqlatch-query", "live", "a-1_b")),
    ("lambda://Query:$LATEST/main", LambdaTarget("Query", "$LATEST", "main")),
    (f"lambda://{ARN}/main", LambdaTarget(ARN, None, "main")),
    (f"lambda://{ARN}:7/main", LambdaTarget(ARN, "7", "main")),
    ("lambda://f/main?region=eu-west-1", LambdaTarget("f", None, "main", "eu-west-1")),
    (
        "https://abc.execute-api.eu-west-1.amazonaws.com/main",
        HttpTarget(
            "https://abc.execute-api.eu-west-1.amazonaws.com",
            "abc.execute-api.eu-west-1.amazonaws.com",
            "",
            "main",
        ),
    ),
    (
        "https://example.com:8443/db/v1/main/?region=us-east-1",
        HttpTarget("https://example.com:8443", "example.com", "/db/v1", "main", "us-east-1"),
    ),
    ("http://localhost:8000/main", HttpTarget("http://localhost:8000", "localhost", "", "main")),
    ("http://[::1]:8000/main", HttpTarget("http://[::1]:8000", "::1", "", "main")),
]


@pytest.mark.parametrize(("url", "target"), TARGETS)
def test_a_url_names_a_function_or_a_host_and_a_database(url: str, target: Target) -> None:
    assert target_of(url) == target


BAD = [
    ("", "has no scheme"),
    ("sqlite:///main.db", "begins with 'sqlite'"),
    ("localhost:8000/main", "begins with 'localhost'"),
    ("lambda:main", "names no database"),
    ("lambda://sqlatch-query", "names no database"),
    ("lambda://sqlatch-query/", "names no database"),
    ("lambda:///main", "is not a function"),
    ("lambda://a b/main", "is not a function"),
    ("lambda://f:a:b/main", "is not a function"),
    ("lambda://f/prefix/main", "one path segment"),
    ("lambda://f/Main", "not a database name"),
    ("lambda://f/main.db", "not a database name"),
    ("lambda://f/" + "a" * 64, "not a database name"),
    ("lambda://f/main?timeout=3", "unknown option 'timeout'"),
    ("lambda://f/main?region=", "is not a region"),
    ("https:///main", "names no host"),
    ("https://host", "names no database"),
    ("https://host/..", "not a database name"),
    ("https://host/a%2Fb", "not a database name"),
    ("https://host:port/main", "not a URL"),
    ("https://host:99999/main", "not a URL"),
    ("https://[::1/main", "not a URL"),
    ("https://ho st/main", "names no host"),
    ("https://user:secret@host/main", "holds no user or password"),
    ("https://host/main#x", "no #fragment"),
    ("https://host/" + "a" * 2000, "the limit is 2,000"),
]


@pytest.mark.parametrize(("url", "why"), BAD)
def test_a_bad_url_is_told_before_any_call(url: str, why: str) -> None:
    with pytest.raises(BadUrl, match=why) as refused:
        connect(url, token="t")

    assert "secret" not in str(refused.value)


def test_a_token_does_not_go_in_the_open() -> None:
    connect("http://127.0.0.1:8000/main", token="t").close()
    connect("https://example.com/main", token="t").close()

    for url in ("http://example.com/main", "http://localhost.example.com/main"):
        with pytest.raises(BadUrl, match="a token goes over https"):
            connect(url, token="t")


def test_a_token_and_a_signature_are_the_same_header() -> None:
    with pytest.raises(BadUrl, match="both are the same header"):
        connect("https://example.com/main", token="t", iam=True)
