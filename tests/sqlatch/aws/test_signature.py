"""Signatures: AWS's published examples, and those of botocore for any request."""

import calendar
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from sqlatch.kernel.aws.s3 import encoded_key, encoded_query
from sqlatch.kernel.aws.signature import Credentials, Request, Scope, signed

SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
SUITE_TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfI"
    "eoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0"
    "wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypN"
    "C9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
S3 = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
S3_HOST = "examplebucket.s3.amazonaws.com"
UNRESERVED = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = {"content-type": "application/x-www-form-urlencoded"}
STORED = {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"}


def suite_request(
    method: str, path: str, query: str, headers: dict[str, str], body: bytes
) -> Request:
    return Request(method, path, query, {"host": "example.amazonaws.com", **headers}, body)


def s3_request(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Request:
    return Request(method, path, query, {"host": S3_HOST, **headers}, body)


SUITE_EXAMPLES = [
    (suite_request("GET", "/", "", {}, b""),
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    (suite_request("POST", "/", "", {}, b""),
     "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    (suite_request("GET", "/", "Param1=value1&Param2=value2", {}, b""),
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    (suite_request("POST", "/", "", FORM, b"Param1=value1"),
     "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
    (suite_request("GET", UNRESERVED, "", {}, b""),
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
    (suite_request("GET", "/", "", {"my-header1": " value1", "my-header2": ' "a   b   c"'}, b""),
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"),
]  # fmt: skip
S3_EXAMPLES = [
    (s3_request("GET", "/test.txt", "", {"range": "bytes=0-9"}, b""),
     "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
    (s3_request("PUT", "/test%24file.text", "", STORED, b"Welcome to Amazon S3."),
     "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
    (s3_request("GET", "/", "lifecycle=", {}, b""),
     "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
    (s3_request("GET", "/", "max-keys=2&prefix=J", {}, b""),
     "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
]  # fmt: skip
"""Of the aws-sig-v4-test-suite, and of "Authenticating Requests" in the documentation of S3."""

WHEN = st.integers(0, 4_000_000_000)
NAMES = st.from_regex(r"x-[a-z][a-z0-9-]{0,12}", fullmatch=True).filter(
    lambda name: not name.startswith("x-amz-") and name != "x-amzn-trace-id"
)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)
WORDS = st.text(max_size=12)


def at(stamp: str) -> float:
    return calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))


def signature_of(headers: dict[str, str]) -> str:
    return headers["authorization"].rpartition("Signature=")[2]


@pytest.mark.parametrize(("request_", "expected"), SUITE_EXAMPLES)
def test_the_examples_of_aws_s_suite_have_its_signatures(request_: Request, expected: str) -> None:
    scope, now_s = Scope("us-east-1", "service"), at("20150830T123600Z")

    assert signature_of(signed(request_, credentials=SUITE, scope=scope, now_s=now_s)) == expected


def test_a_token_is_signed_as_in_aws_s_suite() -> None:
    found = signed(
        suite_request("POST", "/", "", {}, b""),
        credentials=Credentials(SUITE.access_key, SUITE.secret_key, SUITE_TOKEN),
        scope=Scope("us-east-1", "service"),
        now_s=at("20150830T123600Z"),
    )

    expected = "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"
    assert signature_of(found) == expected


@pytest.mark.parametrize(("request_", "expected"), S3_EXAMPLES)
def test_the_examples_of_s3_s_documentation_have_its_signatures(
    request_: Request, expected: str
) -> None:
    scope, now_s = Scope("us-east-1", "s3"), at("20130524T000000Z")

    assert signature_of(signed(request_, credentials=S3, scope=scope, now_s=now_s)) == expected


@given(
    service=st.sampled_from(["dynamodb", "s3"]),
    key=WORDS,
    request_=st.builds(
        Request,
        method=st.sampled_from(["GET", "PUT", "POST", "HEAD", "DELETE"]),
        query=st.dictionaries(WORDS, WORDS, max_size=4).map(encoded_query),
        headers=st.dictionaries(NAMES, VALUES, max_size=4),
        body=st.binary(max_size=64),
    ),
    token=st.none() | st.from_regex(r"[A-Za-z0-9+/=]{1,40}", fullmatch=True),
    now_s=WHEN,
)
def test_any_request_has_the_headers_that_botocore_gives_it(
    service: str, key: str, request_: Request, token: str | None, now_s: int
) -> None:
    request_ = replace(
        request_,
        path=encoded_key(key) if service == "s3" else "/",
        headers={"host": "host.example:8000", "user-agent": "sqlatch", **request_.headers},
    )

    found = signed(
        request_,
        credentials=Credentials("AKID", "secret/+", token),
        scope=Scope("eu-west-1", service),
        now_s=now_s,
    )

    assert found == by_botocore(request_, service, token, now_s)


def by_botocore(request: Request, service: str, token: str | None, now_s: float) -> dict[str, str]:
    url = f"http://host.example:8000{request.target}"
    sent = AWSRequest(request.method, url, dict(request.headers), request.body)
    kind = auth.S3SigV4Auth if service == "s3" else auth.SigV4Auth
    credentials = BotocoreCredentials("AKID", "secret/+", token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(now_s, UTC))
        kind(credentials, service, "eu-west-1").add_auth(sent)
    return {name.lower(): str(value) for name, value in sent.headers.items()}
