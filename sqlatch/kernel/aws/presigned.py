"""Signature Version 4 in a URL: whoever has the URL may send that request until it ends."""

import hashlib
import time

from sqlatch.kernel.aws.s3 import encoded_query
from sqlatch.kernel.aws.signature import ALGORITHM, Credentials, Request, Scope, signature_of

UNSIGNED = "UNSIGNED-PAYLOAD"


def presigned(
    request: Request, *, credentials: Credentials, scope: Scope, now_s: float, valid_s: int
) -> str:
    """Return the target of a request, path and query, with the signature that permits it.

    `host` is the one header that is signed. The request has no query of its own.
    """
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    wanted = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope.on(stamp)}",
        "X-Amz-Date": stamp,
        "X-Amz-Expires": str(valid_s),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.token:
        wanted["X-Amz-Security-Token"] = credentials.token
    query = encoded_query(wanted)
    host = f"host:{request.headers['host']}\n"
    canonical = "\n".join((request.method, request.path, query, host, "host", UNSIGNED))
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    signature = signature_of(digest, credentials=credentials, scope=scope, stamp=stamp)
    return f"{request.path}?{query}&X-Amz-Signature={signature}"
