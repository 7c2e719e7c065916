"""The settings, of Django or the environment, with django-sqlite-efs's names among them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

LEASES = "SQLATCH_LEASES"
TABLE = "SQLITE_LOCK_DYNAMODB_TABLE"
EXPIRATION = "SQLITE_LOCK_EXPIRATION"
ATTEMPTS = "SQLITE_LOCK_MAX_ATTEMPTS"

LEASES_FILE = ".leases.sqlite"
"""The service's name for the leases of one machine, so that the two exclude each other."""

IN_LAMBDA = "AWS_LAMBDA_RUNTIME_API"

EXPIRATION_S = 10.0
TIMEOUT_S = 5.0
"""As sqlite3 has it."""

ATTEMPT_S = 0.025
"""django-sqlite-efs slept 50 ms, 100 ms, ... between its tries: N of them took N (N + 1) of these.
Ours come much closer together, so their number says only how long to wait."""


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """The address of the lease table, how long to wait for a lease and how long to use it."""

    address: str
    patience_s: float
    use_s: float


def lease_settings(database: Path, options: dict[str, Any]) -> LeaseSettings:
    """The settings for a database; ImproperlyConfigured names the one that is wrong."""
    return LeaseSettings(
        address=_address(database),
        patience_s=_patience_s(options.get("timeout")),
        use_s=_positive(EXPIRATION, EXPIRATION_S),
    )


def _address(database: Path) -> str:
    if address := _setting(LEASES):
        if not str(address).startswith(("dynamodb:", "sqlite:")):
            raise ImproperlyConfigured(
                f"{LEASES} is neither dynamodb:<table> nor sqlite:<file>: {address!r}"
            )
        return str(address)
    if table := _setting(TABLE):
        return f"dynamodb:{table}"
    if os.environ.get(IN_LAMBDA):
        raise ImproperlyConfigured(
            f"{LEASES} is not set; on Lambda it is dynamodb:<table>,"
            " since a file of leases would lie on NFS"
        )
    return f"sqlite:{database.absolute().parent / LEASES_FILE}"


def _patience_s(timeout: float | None) -> float:
    patience_s = TIMEOUT_S if timeout is None else float(timeout)
    attempts = _positive(ATTEMPTS, 0)
    return min(patience_s, ATTEMPT_S * attempts * (attempts + 1)) if attempts else patience_s


def _positive(name: str, default: float) -> float:
    given = _setting(name)
    if given in (None, ""):
        return default
    try:
        value = float(given)
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"{name} is not a number: {given!r}") from error
    if not 0 < value < float("inf"):
        raise ImproperlyConfigured(f"{name} is not above zero: {given!r}")
    return value


def _setting(name: str) -> Any:
    return getattr(settings, name, None) or os.environ.get(name)
