"""The arguments of `connect`, checked, and the transport that they ask for."""

from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

from sqlatch.attempts import Attempts
from sqlatch.failures import BadUrl
from sqlatch.transports.transport import Transport
from sqlatch.url import HttpTarget, LambdaTarget, ReplicaTarget, Target, target_of

if TYPE_CHECKING:
    from sqlatch.transports.http import HttpTransport

TIMEOUT_S = 30.0
ATTEMPT_S = 12.0
"""Lets the service execute for 10 s, its own default."""

MAX_AGE_MS = 1_000


@dataclass(frozen=True, slots=True)
class Copy:
    """The directory of a replica's copy, and how old a state a read may get that does not say."""

    directory: Path
    max_age_ms: int


def given(url: str, *, timeout_s: float, attempt_s: float) -> tuple[Target, Attempts]:
    """Return the target and the time limits that a caller gave; BadUrl for what cannot be."""
    if timeout_s <= 0 or attempt_s <= 0:
        raise BadUrl("timeout_s and attempt_s are more than 0")
    return target_of(url), Attempts(timeout_s=timeout_s, attempt_s=attempt_s)


def copy_of(
    target: Target, path: str | PathLike[str] | None, max_age_ms: int | None
) -> Copy | None:
    """Return the copy of a replica; None for what is none. BadUrl for what cannot be."""
    if not isinstance(target, ReplicaTarget):
        if path is not None or max_age_ms is not None:
            raise BadUrl("path and max_age_ms are of a replica: replica+https://HOST/DATABASE/")
        return None
    if path is None or not fspath(path):
        raise BadUrl("a replica needs path=, the directory of its copy on the local disk")
    if max_age_ms is not None and max_age_ms < 0:
        raise BadUrl("max_age_ms is 0 or more")
    return Copy(Path(path).absolute(), MAX_AGE_MS if max_age_ms is None else max_age_ms)


def transport_of(
    target: Target, *, token: str | None = None, iam: bool | None = None, copy: Copy | None = None
) -> Transport:
    """The transport to a target. What it needs is imported here, boto3 only if it is needed."""
    if isinstance(target, LambdaTarget):
        from sqlatch.transports.lambda_ import LambdaTransport

        return LambdaTransport(target, token=token)
    if isinstance(target, ReplicaTarget):
        from sqlatch.transports.replica import ReplicaTransport

        assert copy is not None
        leader = _http(target.leader, token=token, iam=iam)
        return ReplicaTransport(target.leader, leader, copy, token=token)
    return _http(target, token=token, iam=iam)


def _http(target: HttpTarget, *, token: str | None, iam: bool | None) -> "HttpTransport":
    from sqlatch.transports.http import HttpTransport

    if not is_signed(target, token=token, iam=iam):
        return HttpTransport(target, token=token)
    from sqlatch.transports.signature import signer

    return HttpTransport(target, sign=signer(target))


def is_signed(target: HttpTarget, *, token: str | None, iam: bool | None) -> bool:
    """Return whether requests to a target are signed for IAM; BadUrl for what goes by no way."""
    if token is not None and iam:
        raise BadUrl("give a token or iam=True: both are the same header")
    if token is not None and not (target.is_encrypted or target.is_here):
        raise BadUrl("a token goes over https://, or over http:// to this machine")
    return target.is_encrypted and token is None if iam is None else iam
