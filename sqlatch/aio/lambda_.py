"""The way by direct invoke for asyncio: the request that boto3 would send, signed here.

boto3 would need a thread for each call that is under way, and a thread cannot be cancelled.
"""

import asyncio
import json
import os
import time
from collections import ChainMap
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from sqlatch.aio.exchange import Answer, Exchange
from sqlatch.failures import BadUrl, NotPermitted
from sqlatch.kernel.aws.credentials import Wallet
from sqlatch.kernel.aws.endpoint import Endpoint, endpoint_of
from sqlatch.kernel.aws.errors import AwsError
from sqlatch.kernel.aws.signature import Request, Scope, signed
from sqlatch.kernel.aws.tls import context_of
from sqlatch.kernel.version import __version__
from sqlatch.transports import invocation
from sqlatch.transports.transport import check_size, encoded, reply_of
from sqlatch.url import LambdaTarget

MULTIPLE_CHOICES = 300


class LambdaTransport:
    """One function, invoked directly."""

    request_bytes_max = invocation.REQUEST_BYTES_MAX

    def __init__(self, target: LambdaTarget, *, token: str | None = None) -> None:
        self._target = target
        self._token = token
        region = {} if target.region is None else {"AWS_DEFAULT_REGION": target.region}
        self._environment = ChainMap(region, os.environ)
        self._wallet = Wallet(self._environment)
        self._endpoint: Endpoint | None = None
        self._exchange = Exchange(
            "Lambda", trusted=lambda: context_of(os.environ.get("AWS_CA_BUNDLE"))
        )

    async def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        body = encoded(event)
        check_size(self, body)
        return invocation.reply_in(await self._call(body, timeout_s))

    async def send(
        self,
        method: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout_s: float,
    ) -> tuple[int, bytes]:
        event = encoded(invocation.http_event(method, path, body, headers, token=self._token))
        check_size(self, event)
        return invocation.http_answer(reply_of(await self._call(event, timeout_s)))

    def size_bytes(self, encoded: bytes) -> int:
        return len(encoded)

    async def close(self) -> None:
        await self._exchange.close()

    async def _call(self, payload: bytes, timeout_s: float) -> bytes:
        """Invoke the function and return its answer; raise its error."""
        # In a thread: credentials may have to be asked for, settings be read from files.
        url, headers = await asyncio.to_thread(self._signed, payload)
        answer = await self._exchange.ask("POST", url, payload, headers, timeout_s=timeout_s)
        if answer.status >= MULTIPLE_CHOICES:
            raise invocation.failure(_refusal(answer))
        if "x-amz-function-error" in answer.headers:
            raise invocation.function_error(answer.body)
        return answer.body

    def _signed(self, body: bytes) -> tuple[str, dict[str, str]]:
        """Return URL and headers of the request."""
        try:
            if self._endpoint is None:
                self._endpoint = endpoint_of("lambda", self._environment)
        except AwsError as error:
            raise BadUrl(f"the function cannot be called: {error}") from error
        endpoint = self._endpoint
        request = request_of(self._target, endpoint, body)
        try:
            credentials = self._wallet.credentials(time.time())
        except AwsError as error:
            raise NotPermitted(f"AWS cannot be called: {error}") from error
        headers = signed(
            # What is signed has the path encoded once more; but for S3 AWS wants that.
            replace(request, path=quote(request.path, safe="/~")),
            credentials=credentials,
            scope=Scope(endpoint.region, "lambda"),
            now_s=time.time(),
        )
        scheme = "https" if endpoint.is_tls else "http"
        return f"{scheme}://{endpoint.authority}{request.target}", headers


def request_of(target: LambdaTarget, endpoint: Endpoint, body: bytes) -> Request:
    """Return the request of an invoke, not signed yet."""
    return Request(
        "POST",
        f"/2015-03-31/functions/{quote(target.function, safe='')}/invocations",
        "" if target.qualifier is None else f"Qualifier={quote(target.qualifier, safe='')}",
        {
            "content-type": "application/json",
            "host": endpoint.authority,
            "user-agent": f"sqlatch/{__version__}",
        },
        body,
    )


def _refusal(answer: Answer) -> dict[str, Any]:
    """Return an error of Lambda's as botocore would: its code, its message, its status."""
    said: Any = None
    with suppress(ValueError):
        said = json.loads(answer.body)
    body: dict[str, Any] = said if isinstance(said, dict) else {}
    code = answer.headers.get("x-amzn-errortype") or body.get("code") or body.get("__type")
    return {
        "Error": {
            "Code": str(code or answer.status).partition(":")[0].rpartition("#")[2],
            "Message": body.get("message") or body.get("Message"),
        },
        "ResponseMetadata": {"HTTPStatusCode": answer.status},
    }
