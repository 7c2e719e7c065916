"""A service of AWS as the environment names it: requests are signed and sent."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.connection import Connection
from sqlatch.kernel.aws.credentials import Wallet
from sqlatch.kernel.aws.endpoint import endpoint_of
from sqlatch.kernel.aws.signature import Request, Scope, signed

USER_AGENT = "sqlatch"


class Service:
    """One service, with a kept connection. Threads may share it, and a fork may go on with it.

    `bucket` comes before the host where AWS itself is called, and else before the path.
    """

    def __init__(
        self,
        name: str,
        environment: Mapping[str, str],
        *,
        now: Callable[[], float] = time.time,
        bucket: str | None = None,
    ) -> None:
        endpoint = endpoint_of(name, environment)
        self._root = ""
        if bucket is not None and endpoint.is_of_aws and "." not in bucket:
            endpoint = endpoint.below(bucket)
        elif bucket is not None:
            self._root = f"/{bucket}"
        self._now = now
        self._host = endpoint.authority
        self._is_tls = endpoint.is_tls
        self._scope = Scope(endpoint.region, name)
        self._wallet = Wallet(environment)
        proxy = None
        if "https_proxy" in environment or "HTTPS_PROXY" in environment:
            from sqlatch.kernel.aws.proxy import proxy_of

            proxy = proxy_of(endpoint, environment)
        self._connection = Connection(endpoint, proxy)

    def send(
        self, request: Request, *, deadline_s: float | None, silence_s: float | None = None
    ) -> Answer:
        """Return the answer, whatever its status; `host` and the signature are added here."""
        now_s = self._now()
        request = replace(
            request,
            path=self._root + request.path,
            headers={"host": self._host, "user-agent": USER_AGENT, **request.headers},
        )
        headers = signed(
            request,
            credentials=self._wallet.credentials(now_s),
            scope=self._scope,
            now_s=now_s,
        )
        request = replace(request, headers=headers)
        return self._connection.ask(request, deadline_s=deadline_s, silence_s=silence_s)

    def presigned(self, request: Request, *, valid_s: int) -> tuple[str, float]:
        """Return a URL that anybody may send this request to, and when that ends, epoch seconds.

        It ends with the credentials if they end sooner. Of those in the environment that is not
        known.
        """
        # Loaded here: few requests make a link.
        from sqlatch.kernel.aws.presigned import presigned

        now_s = self._now()
        credentials = self._wallet.credentials(now_s)
        if credentials.expires_at_s is not None:
            valid_s = max(1, min(valid_s, int(credentials.expires_at_s - now_s)))
        request = replace(request, path=self._root + request.path, headers={"host": self._host})
        target = presigned(
            request, credentials=credentials, scope=self._scope, now_s=now_s, valid_s=valid_s
        )
        scheme = "https" if self._is_tls else "http"
        return f"{scheme}://{self._host}{target}", int(now_s) + valid_s

    def close(self) -> None:
        self._connection.close()
