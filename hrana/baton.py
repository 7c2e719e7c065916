"""The baton: a stream's state, signed, so that any instance can go on with it."""

import base64
import binascii
import hashlib
import hmac
import zlib

from hrana.refusals import RequestRefused
from hrana.shelf import Shelf
from hrana.state import State

INLINE_BYTES_MAX = 32 * 1024
"""Larger states lie on the shelf: writing one there costs less than sending it to and fro."""

IDLE_S = 60
_SIGNATURE_BYTES = 16
_TIME_BYTES = 6
_INLINE, _SHELVED = b"i", b"s"
_LEVEL = 1


class Batons:
    """Makes and reads batons. Times are in epoch seconds."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._key: bytes | None = None

    def write(self, state: State, now_s: float) -> str:
        """The baton of a state."""
        content = zlib.compress(state.to_bytes(), _LEVEL)
        if len(content) > INLINE_BYTES_MAX:
            content = _SHELVED + self._shelf.put(content).encode()
        else:
            content = _INLINE + content
        signed = int(now_s).to_bytes(_TIME_BYTES, "big") + content
        return base64.urlsafe_b64encode(self._sign(signed) + signed).decode().rstrip("=")

    def read(self, baton: str, now_s: float, *, database: str, identity: str) -> State:
        """The state in a baton; RequestRefused if it is not one of ours, or has expired."""
        signed = self._verified(baton)
        age_s = now_s - int.from_bytes(signed[:_TIME_BYTES], "big")
        content = signed[_TIME_BYTES:]
        if content[:1] == _SHELVED:
            kept = self._shelf.get(content[1:].decode())
            if kept is None:
                raise _expired()
            content = kept
        else:
            content = content[1:]
        state = State.from_bytes(zlib.decompress(content))
        if state.database != database or state.identity != identity:
            raise RequestRefused("the baton is of another database or another token", "BAD_BATON")
        if state.log is not None and age_s > IDLE_S:
            raise _expired()
        return state

    def _verified(self, baton: str) -> bytes:
        try:
            content = base64.b64decode(
                baton + "=" * (-len(baton) % 4), altchars=b"-_", validate=True
            )
        except (binascii.Error, ValueError):
            content = b""
        signature, signed = content[:_SIGNATURE_BYTES], content[_SIGNATURE_BYTES:]
        canonical = base64.urlsafe_b64encode(content).decode().rstrip("=")
        if baton != canonical or not hmac.compare_digest(signature, self._sign(signed)):
            raise RequestRefused("the baton is none of this service, or was changed", "BAD_BATON")
        return signed

    def _sign(self, content: bytes) -> bytes:
        if self._key is None:
            self._key = self._shelf.key()
        return hmac.digest(self._key, content, hashlib.sha256)[:_SIGNATURE_BYTES]


def _expired() -> RequestRefused:
    return RequestRefused(
        f"the stream was idle for more than {IDLE_S} s with a transaction open; it is rolled back",
        "STREAM_EXPIRED",
    )
