"""The transports of asyncio, by what a URL names."""

from sqlatch import opening
from sqlatch.aio.transport import Transport
from sqlatch.opening import Copy, is_signed
from sqlatch.url import LambdaTarget, ReplicaTarget, Target


def transport_of(
    target: Target, *, token: str | None = None, iam: bool | None = None, copy: Copy | None = None
) -> Transport:
    """The transport to a target. What it needs is imported here, boto3 only if it is needed."""
    if isinstance(target, LambdaTarget):
        from sqlatch.aio.lambda_ import LambdaTransport

        return LambdaTransport(target, token=token)
    if isinstance(target, ReplicaTarget):
        from sqlatch.aio.replica import InThreads

        return InThreads(opening.transport_of(target, token=token, iam=iam, copy=copy))
    from sqlatch.aio.http import HttpTransport

    if not is_signed(target, token=token, iam=iam):
        return HttpTransport(target, token=token)
    from sqlatch.transports.signature import signer

    return HttpTransport(target, sign=signer(target))
