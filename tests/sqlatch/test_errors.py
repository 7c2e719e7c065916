"""Errors as they travel: a body over HTTP, a text to a direct caller."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sqlatch import errors
from sqlatch.errors import SqlatchError, error_of, error_of_text
from tests.writers import ROOT

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


CALLER = """
from sqlatch.errors import LeaseBusy, SqlatchError

def holder(error: LeaseBusy) -> str:
    return error.holder

def misspelt(error: SqlatchError) -> object:
    return error.sqlite_cod

def of_another(error: SqlatchError) -> object:
    return error.holder

def of_another_type(error: LeaseBusy) -> str:
    return error.waited_ms
"""


def test_a_misspelt_fact_is_found_by_the_type_checker(tmp_path: Path) -> None:
    (tmp_path / "caller.py").write_text(CALLER)
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--config-file=", "caller.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT), "MYPY_CACHE_DIR": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )

    told = [line.split(": error: ")[1] for line in checked.stdout.splitlines() if "error:" in line]
    assert told == [
        '"SqlatchError" has no attribute "sqlite_cod"; maybe "sqlite_code"?  [attr-defined]',
        '"SqlatchError" has no attribute "holder"  [attr-defined]',
        'Incompatible return value type (got "float", expected "str")  [return-value]',
    ], checked


def test_a_fact_that_an_error_has_not_is_no_attribute() -> None:
    error = errors.LeaseBusy("busy", holder="somebody")

    assert error.holder == "somebody"
    assert not hasattr(error, "waited_ms")
    assert not hasattr(error, "never_heard_of")
