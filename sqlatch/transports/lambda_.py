"""The way by direct invoke: boto3 calls the function; its HTTP door too, by an event like one's."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlatch.failures import AnswerCutOff, BadUrl, CallTimedOut, NotPermitted, Unreachable
from sqlatch.transports import invocation
from sqlatch.transports.connections import bounded, within
from sqlatch.transports.transport import check_size, encoded, reply_of
from sqlatch.url import LambdaTarget

if TYPE_CHECKING:
    from botocore.config import Config
    from mypy_boto3_lambda import LambdaClient

CONNECT_S_MAX = 5.0
CONNECTIONS_MAX = 10
BESIDE_S = 20.0
"""For each answer of another service than Lambda."""

CLIENTS_MAX = 4
"""A client of boto3 has one timeout for all its calls, so there is one for each that is wanted."""


class LambdaTransport:
    """One function, invoked directly."""

    request_bytes_max = invocation.REQUEST_BYTES_MAX

    def __init__(self, target: LambdaTarget, *, token: str | None = None) -> None:
        try:
            import boto3
        except ImportError as error:
            raise BadUrl("lambda:// needs boto3: pip install sqlatch[aws]") from error
        self.target = target
        self._token = token
        self._new_session = partial(boto3.Session, region_name=target.region)
        self._begin()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._session = self._new_session()
        self._making = threading.Lock()
        self._clients: dict[float, LambdaClient] = {}

    def invoke(self, event: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        body = encoded(event)
        check_size(self, body)
        return invocation.reply_in(self._call(body, timeout_s))

    def send(
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
        return invocation.http_answer(reply_of(self._call(event, timeout_s)))

    def size_bytes(self, encoded: bytes) -> int:
        return len(encoded)

    def close(self) -> None:
        while self._clients:
            self._clients.popitem()[1].close()

    def client_of(self, service: str) -> Any:
        """Return another client of boto3, for a service of AWS beside the function."""
        with self._making:
            config = _config(BESIDE_S)
            return self._session.client(service, config=config)  # type: ignore[call-overload]

    def _call(self, payload: bytes, timeout_s: float) -> bytes:
        """Invoke the function and return its answer; raise its error."""
        qualifier: dict[str, Any] = (
            {} if self.target.qualifier is None else {"Qualifier": self.target.qualifier}
        )
        with self._translated():
            client = self._client(timeout_s)
            with within(timeout_s):
                answer = client.invoke(
                    FunctionName=self.target.function, Payload=payload, **qualifier
                )
                content = answer["Payload"].read()
        if answer.get("FunctionError"):
            raise invocation.function_error(content)
        return content

    def _client(self, timeout_s: float) -> "LambdaClient":
        # After fork() the connections that were there, and a lock that was held, are the parent's.
        if self._process != os.getpid():
            self._begin()
        # A session of boto3 must not make two clients at once.
        with self._making:
            if timeout_s not in self._clients:
                if len(self._clients) >= CLIENTS_MAX:
                    self._clients.pop(next(iter(self._clients))).close()
                client = self._session.client("lambda", config=_config(timeout_s))
                self._clients[timeout_s] = _bounded(client)
            return self._clients[timeout_s]

    @staticmethod
    @contextmanager
    def _translated() -> Iterator[None]:
        """boto3's errors as ours."""
        from botocore import exceptions
        from urllib3.exceptions import HTTPError

        try:
            yield
        except exceptions.ClientError as error:
            raise invocation.failure(error.response) from error
        except (exceptions.ConnectTimeoutError, exceptions.EndpointConnectionError) as error:
            raise Unreachable(f"no connection to Lambda: {error}") from error
        except exceptions.ProxyConnectionError as error:
            raise Unreachable(f"no connection to Lambda: {error}") from error
        except exceptions.ReadTimeoutError as error:
            raise CallTimedOut("Lambda did not answer in time") from error
        # An error of TLS too: a handshake that fails is an EndpointConnectionError.
        except (
            exceptions.HTTPClientError,
            exceptions.SSLError,
            exceptions.IncompleteReadError,
            HTTPError,
        ) as error:
            raise AnswerCutOff(f"Lambda's answer was cut off: {error}") from error
        except (
            exceptions.NoRegionError,
            exceptions.InvalidRegionError,
            exceptions.ParamValidationError,
        ) as error:
            raise BadUrl(f"the function cannot be called: {error}") from error
        except exceptions.BotoCoreError as error:
            # What is left are the many ways in which credentials and settings can be missing.
            raise NotPermitted(f"AWS cannot be called: {error}") from error


def _bounded(client: "LambdaClient") -> "LambdaClient":
    """A client whose answers must be whole in time.

    boto3 has no setting for that. Where its inside is another one, time is measured between two
    parts of an answer, and an error of TLS leaves the outcome unknown.
    """
    with suppress(AttributeError):
        pools = client._endpoint.http_session._pool_classes_by_scheme  # type: ignore[attr-defined]
        pools.update({scheme: bounded(pool) for scheme, pool in pools.items()})
    return client


def _config(timeout_s: float) -> "Config":
    from botocore.config import Config

    return Config(
        connect_timeout=min(CONNECT_S_MAX, timeout_s),
        read_timeout=timeout_s,
        max_pool_connections=CONNECTIONS_MAX,
        # What may be repeated, and until when, is decided above this.
        retries={"total_max_attempts": 1},
        # A call may take minutes, and what lies between forgets a connection that is silent.
        tcp_keepalive=True,
    )
