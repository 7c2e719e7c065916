"""A proxy between this machine and AWS: a tunnel through it, which TLS then goes through."""

import base64
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sqlatch.kernel.aws.answer import OK, Reader
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.kernel.aws.errors import Garbled, NotConfigured

ANSWER_S = 2.0
"""The longest that a proxy may say nothing: it connects meanwhile."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """The address of a proxy, and what it wants to be told of who comes."""

    host: str
    port: int
    permit: str | None = None


def proxy_of(endpoint: Endpoint, environment: Mapping[str, str]) -> Proxy | None:
    """Return the proxy for an endpoint with TLS, by HTTPS_PROXY and NO_PROXY; None without one."""
    url = environment.get("https_proxy") or environment.get("HTTPS_PROXY")
    if not url or not endpoint.is_tls:
        return None
    # Loaded here: it brings the HTTP client of the standard library, and few have a proxy.
    from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

    direct = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if proxy_bypass_environment(endpoint.authority, {"no": direct}):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise NotConfigured(
            f"HTTPS_PROXY is not the address of a proxy: http://HOST[:PORT], not {parts.scheme}://"
        )
    permit = None
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        permit = f"Basic {base64.b64encode(user.encode()).decode('ascii')}"
    return Proxy(parts.hostname, parts.port or 80, permit)


def open_tunnel(
    connection: socket.socket, proxy: Proxy, endpoint: Endpoint, *, ends_at_s: float
) -> None:
    """Ask the proxy for a connection to the endpoint; OSError if it gives none."""
    reader = Reader(connection, ends_at_s, silence_s=ANSWER_S)
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    lines = [f"CONNECT {host}:{endpoint.port} HTTP/1.1", f"host: {host}:{endpoint.port}"]
    if proxy.permit is not None:
        lines.append(f"proxy-authorization: {proxy.permit}")
    connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    try:
        status = reader.answer(has_body=False).status
    except (EOFError, Garbled) as error:
        raise OSError(f"the proxy {proxy.host} does not answer: {error}") from error
    if status != OK:
        raise OSError(f"the proxy {proxy.host} refuses: HTTP {status}")
