"""Files of streams: the key that signs batons, logs and texts too large to be in them.

They lie where the databases lie: in their directory, or in the table of their logs.
"""

import hashlib
import hmac
import secrets
from typing import Protocol

KEY_BYTES = 32
NAME_BYTES = 24
LOG, TEXTS = "log", "texts"

LOG_KEPT_S = 120
"""Twice what a transaction may be idle."""
TEXTS_KEPT_S = 86_400
"""A stream without a transaction does not expire, but not all that was ever stored can be kept."""


class Files(Protocol):
    """The files of a service's streams. StorageError where they cannot be read or written."""

    def key(self) -> bytes:
        """Return the signing key, made by the first who asks."""

    def key_of(self, database: str) -> bytes:
        """Return the key for the batons of one database, which says nothing of the others."""

    def put(self, kind: str, content: bytes) -> str:
        """Keep a LOG or TEXTS in a new file; return its name, too long to be guessed."""

    def append(self, name: str, size_bytes: int, content: bytes) -> bool:
        """Add to a file, which is also kept longer by that. Return whether it could be done.

        It cannot if the file is gone, or does not end where the caller knows its end, or if another
        is adding to it: a request was sent again, or goes on from an earlier baton. Each of them
        relies on its own beginning of the file, so nothing there is ever written over.
        """

    def touch(self, name: str) -> None:
        """Keep a file for longer, if it is still there."""

    def get(self, name: str, size_bytes: int | None = None) -> bytes | None:
        """Return what was kept, or its first so many bytes; None if it was cleared."""

    def clear(self, now_s: float) -> int:
        """Remove logs and texts whose time is over (it is `now_s`, epoch seconds); how many."""


def derived(key: bytes, database: str) -> bytes:
    """Return the key for the batons of one database."""
    return hmac.digest(key, database.encode(), hashlib.sha256)


def new_name(kind: str) -> str:
    return f"{kind}-{secrets.token_hex(NAME_BYTES)}"


def kept_s(name: str) -> int:
    """Return for how long a file is kept that nobody adds to or touches."""
    return TEXTS_KEPT_S if name.startswith(TEXTS) else LOG_KEPT_S
