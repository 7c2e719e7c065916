"""Requests signed as IAM wants them, with the credentials that boto3 finds."""

import re
from typing import Any

from sqlatch.failures import BadUrl, NotPermitted
from sqlatch.transports.door import Sign
from sqlatch.url import HttpTarget

_AWS_HOST = re.compile(
    r"[^.]+\.(?P<service>execute-api|lambda-url)\.(?P<region>[a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)"
    r"(?:\.cn)?",
    re.ASCII,
)
_SERVICES = {"execute-api": "execute-api", "lambda-url": "lambda"}
UNSIGNED = frozenset({"accept-encoding", "user-agent"})
"""Headers that proxies change."""


def signer(target: HttpTarget) -> Sign:
    """Return what signs requests to an HTTP API, a Function URL, or a domain before one."""
    try:
        import boto3
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise BadUrl(
            "https:// without a token is signed for IAM, which needs boto3:"
            " pip install sqlatch[aws], or give token=, or iam=False"
        ) from error
    found = _AWS_HOST.fullmatch(target.host)
    session: Any = boto3.Session()
    service = _SERVICES[found["service"]] if found else "execute-api"
    region = target.region or (found["region"] if found else session.region_name)
    if region is None:
        raise BadUrl(f"the region of {target.host} is not known: add ?region=... to the URL")

    def sign(method: str, url: str, headers: dict[str, str], body: bytes) -> dict[str, str]:
        signed = {name: value for name, value in headers.items() if name not in UNSIGNED}
        request = AWSRequest(method=method, url=url, data=body, headers=signed)
        try:
            credentials = session.get_credentials()
            if credentials is None:
                raise NotPermitted("there are no AWS credentials to sign the request with")
            SigV4Auth(credentials.get_frozen_credentials(), service, region).add_auth(request)
        except BotoCoreError as error:
            raise NotPermitted(f"could not get AWS credentials: {error}") from error
        return headers | dict(request.headers.items())

    return sign
