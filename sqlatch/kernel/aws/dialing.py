"""A new connection: to the first address that answers, through a proxy, with TLS."""

import socket
import time
from typing import TYPE_CHECKING, Any

from sqlatch.kernel.aws.answer import left_s
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.kernel.aws.errors import NotConnected

if TYPE_CHECKING:
    from sqlatch.kernel.aws.proxy import Proxy

CONNECT_S = 1.0
"""The longest that connecting may take, and a handshake of TLS again."""


def connected(endpoint: Endpoint, proxy: "Proxy | None", ends_at_s: float) -> socket.socket:
    """Connect to the first address that answers; they share the time. NotConnected if none does."""
    until_s = min(time.monotonic() + CONNECT_S, ends_at_s)
    try:
        place = endpoint if proxy is None else proxy
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        connection = _first_of(found, until_s)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if not endpoint.is_tls:
                return connection
            if proxy is not None:
                from sqlatch.kernel.aws.proxy import open_tunnel

                open_tunnel(connection, proxy, endpoint, ends_at_s=ends_at_s)
            from sqlatch.kernel.aws.tls import secured

            connection.settimeout(left_s(ends_at_s, CONNECT_S))
            return secured(connection, endpoint.host)
        except BaseException:
            connection.close()
            raise
    except (OSError, ValueError) as error:  # ValueError: a name that is none
        raise NotConnected(f"no connection to {endpoint.authority}: {error}") from error


def _first_of(found: list[Any], until_s: float) -> socket.socket:
    for number, (family, kind, protocol, _name, address) in enumerate(found):
        connection = socket.socket(family, kind, protocol)
        try:
            connection.settimeout(left_s(until_s, CONNECT_S) / (len(found) - number))
            connection.connect(address)
        except OSError:
            connection.close()
            if number == len(found) - 1:
                raise
        else:
            return connection
    raise OSError("it has no address")
