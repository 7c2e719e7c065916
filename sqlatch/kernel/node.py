"""Another node of the service, by its URL: logs are read there, and requests are sent on to it."""

import os
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlatch.kernel.aws.answer import Answer
from sqlatch.kernel.aws.connection import Connection
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.kernel.aws.errors import NotConnected
from sqlatch.kernel.aws.signature import Request

if TYPE_CHECKING:
    from sqlatch.kernel.aws.credentials import Wallet

LOG_ROOT = "/-/log"
"""The path below which a node serves its logs. No database has a name that begins so, and a path
may begin with the name of one."""

USER_AGENT = "sqlatch-node"

_OF_AWS = re.compile(
    r"[^.]+\.(execute-api|lambda-url)\.([a-z0-9-]+)\.(?:amazonaws\.com|on\.aws)(?:\.cn)?", re.ASCII
)


def is_of_log(path: str) -> bool:
    """Return whether a path is one of a log."""
    return path == LOG_ROOT or path.startswith(f"{LOG_ROOT}/")


class Node:
    """The service at a URL. Threads may share it, and a fork may go on with it.

    Requests are signed by IAM where AWS answers and there is no token.
    """

    def __init__(self, url: str, token: str = "") -> None:
        parts = urlsplit(url)
        is_tls = parts.scheme == "https"
        self.url = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._token = token
        host = parts.hostname or ""
        found = _OF_AWS.fullmatch(host)
        self._service, region = (found[1], found[2]) if found else ("", "")
        self._endpoint = Endpoint(host, parts.port or (443 if is_tls else 80), is_tls, region)
        self._connection = Connection(self._endpoint)

    def ask(
        self,
        request: Request,
        *,
        deadline_s: float,
        silence_s: float | None = None,
        may_repeat: bool = True,
    ) -> Answer:
        """Return the answer, whatever its status; Unavailable (see `Connection.ask`).

        The request's own authorization counts more than the token of this node.
        """
        headers = {"host": self._endpoint.authority, "user-agent": USER_AGENT, **request.headers}
        if self._token:
            headers.setdefault("authorization", f"Bearer {self._token}")
        request = replace(request, path=self._prefix + request.path, headers=headers)
        if self._service and "authorization" not in headers:
            request = self._signed(request)
        return self._connection.ask(
            request, deadline_s=deadline_s, silence_s=silence_s, may_repeat=may_repeat
        )

    def close(self) -> None:
        self._connection.close()

    def hang_up(self) -> None:
        """End the calls that other threads are in, and make no further ones."""
        self._connection.hang_up()

    def _signed(self, request: Request) -> Request:
        from sqlatch.kernel.aws.signature import Scope, signed

        now_s = time.time()
        headers = signed(
            request,
            credentials=self._wallet.credentials(now_s),
            scope=Scope(self._endpoint.region, self._service),
            now_s=now_s,
        )
        return replace(request, headers=headers)

    @cached_property
    def _wallet(self) -> "Wallet":
        from sqlatch.kernel.aws.credentials import Wallet

        return Wallet(os.environ)


class Nodes:
    """Several URLs of one service: the one that answered last is asked first."""

    def __init__(self, urls: Sequence[str], token: str = "") -> None:
        self._nodes = [Node(url, token) for url in urls]

    @property
    def url(self) -> str:
        """The URL of the node that is asked first."""
        return self._nodes[0].url

    def ask(
        self,
        request: Request,
        *,
        deadline_s: float,
        silence_s: float | None = None,
        may_repeat: bool = True,
    ) -> Answer:
        """Return the answer of the first that can be reached; see `Node.ask`."""
        for node in list(self._nodes):
            try:
                answer = node.ask(
                    request, deadline_s=deadline_s, silence_s=silence_s, may_repeat=may_repeat
                )
            except NotConnected as error:
                failure = error
            else:
                if node is not self._nodes[0]:
                    self._nodes = [node, *(each for each in self._nodes if each is not node)]
                return answer
        raise failure

    def close(self) -> None:
        for node in self._nodes:
            node.close()

    def hang_up(self) -> None:
        """End the calls that other threads are in, and make no further ones."""
        for node in self._nodes:
            node.hang_up()
