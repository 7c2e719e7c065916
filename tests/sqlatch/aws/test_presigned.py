"""Links: AWS's published example, those of botocore for any object, and when they end."""

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from sqlatch.kernel.aws.credentials import Wallet
from sqlatch.kernel.aws.presigned import presigned
from sqlatch.kernel.aws.s3 import Bucket, encoded_key
from sqlatch.kernel.aws.signature import Credentials, Request, Scope
from tests.sqlatch.aws.test_signature import S3, S3_HOST, WHEN, WORDS, at

NOW_S = 1_800_000_000


def test_the_example_of_s3_s_documentation_has_its_signature() -> None:
    found = presigned(
        Request("GET", "/test.txt", headers={"host": S3_HOST}),
        credentials=S3,
        scope=Scope("us-east-1", "s3"),
        now_s=at("20130524T000000Z"),
        valid_s=86_400,
    )

    (signature,) = parse_qs(urlsplit(found).query)["X-Amz-Signature"]
    assert signature == "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"


@given(
    key=WORDS,
    token=st.none() | st.from_regex(r"[A-Za-z0-9+/=]{1,40}", fullmatch=True),
    now_s=WHEN,
    valid_s=st.integers(1, 604_800),
)
def test_any_link_is_the_one_that_botocore_makes(
    key: str, token: str | None, now_s: int, valid_s: int
) -> None:
    found = presigned(
        Request("GET", encoded_key(key), headers={"host": "b.example:8000"}),
        credentials=Credentials("AKID", "secret/+", token),
        scope=Scope("eu-west-1", "s3"),
        now_s=now_s,
        valid_s=valid_s,
    )

    sent = AWSRequest("GET", f"http://b.example:8000{encoded_key(key)}")
    credentials = BotocoreCredentials("AKID", "secret/+", token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(auth, "get_current_datetime", lambda: datetime.fromtimestamp(now_s, UTC))
        auth.S3SigV4QueryAuth(credentials, "s3", "eu-west-1", valid_s).add_auth(sent)
    path, _, query = found.partition("?")
    theirs = urlsplit(sent.url)
    assert path == theirs.path
    assert sorted(query.split("&")) == sorted(theirs.query.split("&"))


@pytest.mark.parametrize(
    ("credentials_end_s", "ends_s"), [(None, 600), (NOW_S + 900.5, 600), (NOW_S + 60.5, 60)]
)
@pytest.mark.usefixtures("keys")
def test_a_link_ends_with_its_credentials_if_they_end_sooner(
    credentials_end_s: float | None, ends_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = Credentials("AKID", "secret", "token", credentials_end_s)
    monkeypatch.setattr(Wallet, "credentials", lambda _wallet, _now_s: keys)

    url, ends_at_s = Bucket("results", now=lambda: NOW_S + 0.25).link("a b", valid_s=600)

    assert url.startswith("https://results.s3.us-east-1.amazonaws.com/a%20b?X-Amz-Algorithm=")
    assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == [str(ends_s)]
    assert ends_at_s == NOW_S + ends_s
