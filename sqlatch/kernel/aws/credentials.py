"""Credentials: from the environment, from a container's address, or by botocore."""

import json
import os
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlatch.kernel.aws.answer import OK, SERVER_ERROR, TOO_MANY_REQUESTS
from sqlatch.kernel.aws.connection import Connection
from sqlatch.kernel.aws.endpoint import has_files, parsed
from sqlatch.kernel.aws.errors import AwsError, Garbled, NotConfigured, NotConnected
from sqlatch.kernel.aws.signature import Credentials, Request

REFRESH_S = 15 * 60.0
"""Credentials that end within this time are fetched anew, as botocore does; the old ones serve as
long as they last if that fails."""

FETCH_S = 2.0
"""The longest that the container may take to answer."""

CONTAINER_HOST = "169.254.170.2"
CONTAINER_HOSTS = frozenset({
    CONTAINER_HOST, "169.254.170.23", "fd00:ec2::23", "localhost", "127.0.0.1", "::1"
})  # fmt: skip
"""The hosts that are asked for credentials without TLS, as by botocore."""

FETCHED = ("AccessKeyId", "SecretAccessKey", "Token")
RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
FULL = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
ELSEWHERE = ("AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "BOTO_CONFIG")
"""Variables with which botocore looks in other places before it asks the container."""


class Wallet:
    """The credentials of this process, looked for where botocore looks, in its order.

    Those of the environment are read at each call. A container's address, which is also what a
    function restored from a snapshot has, is asked again before they end. Profiles, web identity,
    single sign-on and instance metadata are left to botocore, which is loaded only for them.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._fetched: Credentials | None = None
        self._of_botocore: Any = None

    def credentials(self, now_s: float) -> Credentials:
        """Return credentials that are good now; NotConfigured if there are none."""
        found = _in_environment(self._environment)
        if found is not None:
            return found
        if self._is_in_container():
            return self._from_container(now_s)
        return self._by_botocore()

    def _is_in_container(self) -> bool:
        names = self._environment.keys()
        return bool({RELATIVE, FULL} & names) and not (
            set(ELSEWHERE) & names or has_files(self._environment)
        )

    def _from_container(self, now_s: float) -> Credentials:
        held = self._fetched
        if held is not None and not _ends(held, now_s + REFRESH_S):
            return held
        try:
            self._fetched = fetched(self._environment)
        except AwsError:
            if held is None or _ends(held, now_s):
                raise
            return held
        return self._fetched

    def _by_botocore(self) -> Credentials:
        try:
            from botocore.exceptions import BotoCoreError
            from botocore.session import get_session
        except ImportError as error:
            raise NotConfigured(
                "there are no AWS credentials in the environment, and botocore, which looks for"
                " them elsewhere, is not installed: pip install boto3"
            ) from error
        try:
            if self._of_botocore is None:
                self._of_botocore = get_session().get_credentials()
            if self._of_botocore is None:
                raise NotConfigured(
                    "there are no AWS credentials: set AWS_ACCESS_KEY_ID and"
                    " AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
                )
            found = self._of_botocore.get_frozen_credentials()
        except BotoCoreError as error:
            raise NotConfigured(f"could not get AWS credentials: {error}") from error
        return Credentials(found.access_key, found.secret_key, found.token)


def fetched(environment: Mapping[str, str], now: Callable[[], float] = time.time) -> Credentials:
    """Return what the container's address answers; an AwsError if it does not."""
    url = environment.get(FULL, "")
    if RELATIVE in environment:
        url = f"http://{CONTAINER_HOST}{environment[RELATIVE]}"
    address = urlsplit(url)
    endpoint = parsed(f"{address.scheme}://{address.netloc}", "")
    if not endpoint.is_tls and endpoint.host not in CONTAINER_HOSTS:
        raise NotConfigured(f"credentials are not asked for without TLS at {endpoint.host}")
    headers = {"host": endpoint.authority, "accept": "application/json", **_permit(environment)}
    request = Request("GET", address.path or "/", address.query, headers)
    connection = Connection(endpoint)
    try:
        answer = connection.ask(request, deadline_s=now() + FETCH_S)
    finally:
        connection.close()
    if answer.status >= SERVER_ERROR or answer.status == TOO_MANY_REQUESTS:
        raise NotConnected(f"the container gives no AWS credentials now: HTTP {answer.status}")
    if answer.status != OK:
        raise NotConfigured(f"the container has no AWS credentials: HTTP {answer.status}")
    try:
        found = json.loads(answer.body)
        access_key, secret_key, token = (found[name] for name in FETCHED)
        if not all(isinstance(value, str) for value in (access_key, secret_key, token)):
            raise TypeError("a key is no text")
        return Credentials(
            access_key,
            secret_key,
            token,
            datetime.fromisoformat(found["Expiration"]).timestamp(),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Garbled(f"the container's answer holds no credentials: {error!r}") from error


def _permit(environment: Mapping[str, str]) -> dict[str, str]:
    file = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN")
    if file is not None:
        try:
            token = Path(file).read_text()
        except OSError as error:
            raise NotConfigured(f"the container's token cannot be read: {error}") from error
    return {} if token is None else {"authorization": token}


def _in_environment(environment: Mapping[str, str]) -> Credentials | None:
    access_key = environment.get("AWS_ACCESS_KEY_ID")
    if not access_key:
        return None
    secret_key = environment.get("AWS_SECRET_ACCESS_KEY")
    if not secret_key:
        raise NotConfigured("there is AWS_ACCESS_KEY_ID without AWS_SECRET_ACCESS_KEY")
    token = environment.get("AWS_SECURITY_TOKEN") or environment.get("AWS_SESSION_TOKEN")
    return Credentials(access_key, secret_key, token or None)


def _ends(credentials: Credentials, at_s: float) -> bool:
    return credentials.expires_at_s is not None and credentials.expires_at_s <= at_s
