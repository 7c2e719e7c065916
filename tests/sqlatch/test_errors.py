"""Errors as they travel: a body over HTTP, a text to a direct caller."""

import pytest

from sqlatch import errors
from sqlatch.errors import SqlatchError, error_of, error_of_text

MESSAGES = [
    "no such table",
    "",
    'ends like one {"code": "CONSTRAINT"}',
    "two\nlines",
    "é {} {",
    " ",
]


@pytest.mark.parametrize("kind", errors.kinds())
@pytest.mark.parametrize("message", MESSAGES)
def test_an_error_survives_its_text_and_its_body(kind: type[SqlatchError], message: str) -> None:
    error = kind(message, sqlite_code="SQLITE_ERROR", statement=2, said=' {"code": "x"}', none=None)

    for same in (error_of_text(error.text()), error_of(error.body())):
        assert type(same) is kind
        assert same.body() == error.body()
        assert str(same) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no such table",
        '{"code": "CONSTRAINT"}',
        ' {"code": "NO_SUCH_CODE", "retryable": false}',
        'x {"code": "CONSTRAINT", "retryable": false',
        'x {"code": "CONSTRAINT"} x',
        "RequestId: 1 Error: Task timed out after 3.00 seconds",
    ],
)
def test_another_text_is_no_error_of_the_service(text: str) -> None:
    assert error_of_text(text) is None
