"""Requests signed for IAM: what arrives is what was signed, and a token is not signed."""

import json
import os
import re
import subprocess

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sqlatch.failures import BadUrl, NotPermitted
from sqlatch.transports.signature import signer
from sqlatch.url import HttpTarget, target_of
from tests.cloudformation import ROOT
from tests.dynamodb_server import CREDENTIALS
from tests.sqlatch import socket_server
from tests.sqlatch.conftest import connect, connected
from tests.sqlatch.test_http_failures import REPLY, answer

pytestmark = pytest.mark.usefixtures("kind")

AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/\d{8}/(?P<region>[\w-]+)/(?P<service>[\w-]+)"
    r"/aws4_request, SignedHeaders=(?P<names>[\w;-]+), Signature=(?P<signature>[0-9a-f]{64})"
)


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)


def signature_of(request: bytes, region: str, service: str) -> tuple[str, str]:
    """The signature that a request bears, and the one that it should, by what has arrived of it."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _version = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    found = AUTHORIZATION.fullmatch(headers["authorization"])
    assert found is not None
    assert (found["region"], found["service"]) == (region, service)
    signed = {name: headers[name] for name in found["names"].split(";")}
    again = AWSRequest(method, f"http://{headers['host']}{path}", signed, body)
    again.context["timestamp"] = headers["x-amz-date"]
    secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
    auth = SigV4Auth(Credentials(found["key"], secret), service, region)
    text = auth.string_to_sign(again, auth.canonical_request(again))
    return found["signature"], auth.signature(text, again)


@pytest.mark.parametrize("prefix", ["", "/prod", "/a~b/%C3%A9"])
def test_what_arrives_is_what_was_signed(prefix: str) -> None:
    with socket_server.running(answer(200, REPLY)) as server:
        url = f"http://127.0.0.1:{server.port}{prefix}/main?region=eu-west-1"
        with connected(url, iam=True) as client:
            client.query("SELECT ?", ["é"])
            client.execute("INSERT INTO t VALUES (1)")
            client.transport.send("POST", "/main/v3/pipeline", b"{}", {"x-a": "1"}, timeout_s=5)

    assert len(server.requests) == 3
    for request in server.requests:
        borne, right = signature_of(request, "eu-west-1", "execute-api")
        assert borne == right
    changed = server.requests[1].replace(b"VALUES (1)", b"VALUES (2)")
    borne, right = signature_of(changed, "eu-west-1", "execute-api")
    assert borne != right, "the body is signed"


PAGE = (ROOT / "docs" / "http.md").read_text()
CURL = next(block for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) if "sigv4" in block)
AWS = """
aws() {
  case "$1" in
    cloudformation) echo "$API_URL" ;;
    configure) echo "export AWS_SESSION_TOKEN=$TOKEN" ;;
  esac
}
"""


@pytest.mark.parametrize("token", ["", "of-a-role"])
def test_curl_signs_as_the_page_says(token: str) -> None:
    with socket_server.running(answer(200, REPLY)) as server:
        variables = {"API_URL": f"http://127.0.0.1:{server.port}", "AWS_REGION": "eu-west-1"}
        subprocess.run(
            ["bash", "-euc", AWS + CURL],
            env={**os.environ, **variables, "TOKEN": token},
            check=True,
        )

    (request,) = server.requests
    borne, right = signature_of(request, "eu-west-1", "execute-api")
    assert borne == right
    assert request.startswith(b"POST /read ")
    assert (b";x-amz-security-token" in request) is bool(token), "it is signed too"


HOSTS = [
    ("https://abc.execute-api.eu-west-1.amazonaws.com/main", "eu-west-1", "execute-api"),
    ("https://abc.execute-api.cn-north-1.amazonaws.com.cn/main", "cn-north-1", "execute-api"),
    ("https://abc.lambda-url.eu-west-2.on.aws/main", "eu-west-2", "lambda"),
    ("https://sql.example.com/main", "us-east-1", "execute-api"),
    ("https://sql.example.com/main?region=sa-east-1", "sa-east-1", "execute-api"),
]


@pytest.mark.parametrize(("url", "region", "service"), HOSTS)
def test_a_host_says_region_and_service(url: str, region: str, service: str) -> None:
    target = target_of(url)
    assert isinstance(target, HttpTarget)

    headers = signer(target)("POST", target.origin + "/query", {"user-agent": "x"}, b"{}")

    found = AUTHORIZATION.fullmatch(headers["Authorization"])
    assert found is not None
    assert (found["region"], found["service"]) == (region, service)
    assert found["names"] == "host;x-amz-date"
    assert headers["user-agent"] == "x"


def test_a_token_goes_as_it_is() -> None:
    with socket_server.running(answer(200, REPLY)) as server:
        url = f"http://127.0.0.1:{server.port}/main"
        with connected(url, token="a.b.c") as client:
            client.query("SELECT 1")
        with connected(url) as client:
            client.query("SELECT 1")

    with_token, without = (request.partition(b"\r\n\r\n") for request in server.requests)
    assert b"authorization: Bearer a.b.c" in with_token[0]
    assert b"authorization" not in without[0]
    assert with_token[0].startswith(b"POST /read HTTP/1.1")
    assert json.loads(with_token[2])["read_only"] is True


def test_no_region_and_no_credentials_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")

    with pytest.raises(BadUrl, match=r"the region of sql\.example\.com is not known"):
        connect("https://sql.example.com/main")
    url = "https://sql.example.com/main?region=eu-west-1"
    with connected(url) as client, pytest.raises(NotPermitted, match="no AWS credentials"):
        client.query("SELECT 1")
