"""The failures of a request between a client and the service, for each transport."""

from tests.sqlatch.fault_proxy import CUTS, REQUEST_CUTS, Fault, answer, instead

HTML = b"<html>no service</html>"
REFUSALS = [
    (503, "LEASE_BUSY"),
    (504, "TIMEOUT"),
    (401, "UNAUTHORIZED"),
    (409, "CONSTRAINT"),
    (400, "STATEMENT_ERROR"),
    (503, "STORAGE_ERROR"),
]
"""What the service itself says when it has done nothing."""


def _body(code: str) -> dict[str, object]:
    return {"error": {"code": code, "message": "m", "retryable": False}}


HTTP = [
    *CUTS,
    *REQUEST_CUTS,
    *[
        instead(f"HTTP {status} before it arrives", answer(status, HTML), is_unknown=False)
        for status in (401, 403, 404, 413, 429)
    ],
    *[
        instead(f"HTTP {status}, arrives: {arrives}", answer(status, HTML), is_unknown=True,
                arrives=arrives)
        for status in (500, 502, 503, 504)
        for arrives in (False, True)
    ],
    instead("a page of another server", answer(200, HTML), is_unknown=True),
    *[
        instead(code, answer(status, _body(code)), is_unknown=False)
        for status, code in REFUSALS
    ],
]  # fmt: skip


def _refusal(status: int, code: str, *, is_unknown: bool, arrives: bool = False) -> Fault:
    content = answer(status, {"Message": "m"}, x_amzn_errortype=code)
    return instead(f"{code}, arrives: {arrives}", content, is_unknown=is_unknown, arrives=arrives)


def _error(kind: str, message: str, *, is_unknown: bool, arrives: bool = False) -> Fault:
    body = {"errorType": kind, "errorMessage": message}
    content = answer(200, body, x_amz_function_error="Unhandled")
    return instead(f"{kind}, arrives: {arrives}", content, is_unknown=is_unknown, arrives=arrives)


LAMBDA = [
    *CUTS,
    *REQUEST_CUTS,
    *[
        _refusal(status, code, is_unknown=False)
        for status, code in [
            (403, "AccessDeniedException"),
            (403, "ExpiredTokenException"),
            (404, "ResourceNotFoundException"),
            (413, "RequestTooLargeException"),
            (429, "TooManyRequestsException"),
            (502, "ENILimitReachedException"),
        ]
    ],
    *[
        fault
        for arrives in (False, True)
        for fault in (
            _refusal(500, "ServiceException", is_unknown=True, arrives=arrives),
            _error("Sandbox.Timedout", "Task timed out", is_unknown=True, arrives=arrives),
            _error("KeyError", "'x'", is_unknown=True, arrives=arrives),
        )
    ],
    *[
        _error(code, f'm {{"code": "{code}"}}', is_unknown=False)
        for _status, code in REFUSALS
    ],
]  # fmt: skip

FEW = [
    CUTS[0],
    CUTS[-2],
    REQUEST_CUTS[1],
    instead("HTTP 502, arrives", answer(502, b"<html>"), is_unknown=True, arrives=True),
    instead("HTTP 502", answer(502, b"<html>"), is_unknown=True),
    instead("HTTP 429", answer(429, {"Message": "m"}), is_unknown=False),
    instead("HTTP 403", answer(403, {"Message": "m"}), is_unknown=False),
    instead("a page", answer(200, b"<html>"), is_unknown=True, arrives=True),
]
"""One of each kind, over both transports."""
