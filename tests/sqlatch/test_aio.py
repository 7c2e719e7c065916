"""The two kinds of client have the same calls; what they do is in the tests that both pass."""

import inspect
import re
import subprocess
import sys
from typing import Any

import pytest

import sqlatch
from sqlatch import aio
from sqlatch.aio.lambda_ import request_of
from sqlatch.kernel.aws.endpoint import Endpoint
from sqlatch.url import LambdaTarget
from tests.writers import ROOT

PAGE = (ROOT / "docs/asyncio.md").read_text()


def calls(kind: type) -> dict[str, list[tuple[str, object, object]]]:
    """The calls of a class: names, kinds and defaults of their parameters."""
    return {
        name: [
            (one.name, one.kind, one.default) for one in inspect.signature(call).parameters.values()
        ]
        for name, call in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


@pytest.mark.parametrize(
    ("threads", "asyncio"),
    [(sqlatch.Client, aio.Client), (sqlatch.Session, aio.Session)],
)
def test_what_one_client_can_do_the_other_can(threads: type, asyncio: type) -> None:
    assert calls(asyncio) == calls(threads)
    assert (
        inspect.signature(aio.connect).parameters == inspect.signature(sqlatch.connect).parameters
    )


def test_an_arn_is_encoded_as_botocore_does() -> None:
    target = LambdaTarget("arn:aws:lambda:eu-west-1:123456789012:function:f", "$LATEST", "main")

    request = request_of(target, Endpoint("h", 443, True, "eu-west-1"), b"")  # noqa: FBT003

    assert request.target == (
        "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aeu-west-1%3A123456789012%3Afunction%3Af"
        "/invocations?Qualifier=%24LATEST"
    )


def test_the_example_of_the_page_prints_what_it_says(
    http_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQLATCH_URL", http_url)
    example, cancelling = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (printed,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {}

    exec(example, names)
    exec(cancelling, names)

    assert capsys.readouterr().out == printed


def test_without_its_extra_it_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['aiohttp'] = None\n"
        "from sqlatch import aio\n"
        "try: aio.connect('http://127.0.0.1:9/main')\n"
        "except ImportError as error: print(error)"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert printed.stdout == "sqlatch.aio needs aiohttp: pip install 'sqlatch[aio]'\n"
