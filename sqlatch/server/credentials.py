"""The signing key and the token of a local server, kept beside its databases."""

import os
import time
from contextlib import suppress
from pathlib import Path
from tempfile import mkstemp

from sqlatch.tokens import ALL, DAY_S, new_key, public_key, sign

KEY_FILE = ".token.key"
TOKEN_FILE = ".token"

LIFETIME_S = 365 * DAY_S
LEFT_S_MIN = 30 * DAY_S
"""A token with less than this until it expires is replaced when the server starts."""


def kept_in(directory: Path) -> tuple[str, str]:
    """Return the public key and a token for all databases; both are made if they are missing."""
    key, token = directory / KEY_FILE, directory / TOKEN_FILE
    if not key.exists():
        private, _public = new_key()
        made = _written(directory, private)
        try:
            # A link is made whole or not at all, by one of all who try.
            with suppress(FileExistsError):
                os.link(made, key)
        finally:
            made.unlink()
    private = key.read_text()
    public = public_key(private)
    if not (token.exists() and _is_good(token.read_text().strip(), public)):
        _written(directory, signed_by(private) + "\n").replace(token)
    return public, token.read_text().strip()


def signed_by(private: str) -> str:
    """Return a token for all databases."""
    return sign(private, access="rw", databases=ALL, lifetime_s=LIFETIME_S)


def _is_good(token: str, public: str) -> bool:
    import jwt

    try:
        claims = jwt.decode(token, public, algorithms=["EdDSA", "RS256"])
    except jwt.InvalidTokenError:
        return False
    return bool(claims["exp"] - time.time() >= LEFT_S_MIN)


def _written(directory: Path, text: str) -> Path:
    """Return a new file with this text, which only its owner can read."""
    descriptor, name = mkstemp(dir=directory, prefix=f"{TOKEN_FILE}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    return Path(name)
