"""The console in Debian's Chromium, on some of the flights, as a person would use it."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from tests.local_server import ROOT, serving

SCREENS = ROOT / "build" / "screens"
FLIGHTS = 20_000
WIDTH, HEIGHT = 1280, 800
"""Of the window, in pixels."""
CHROMIUM = "/usr/bin/chromium"
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
TIMEOUT_MS = 60_000
"""Of each wait: a busy machine may take ten times as long as a quiet one."""

OWN = ("http://127.0.0.1:", "blob:", "about:blank")

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the database of the demo."""
    directory = tmp_path_factory.mktemp("databases")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "examples.flights",
            "--databases",
            directory,
            "--rows",
            f"{FLIGHTS}",
        ],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return directory


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file in which the server logs."""
    return tmp_path_factory.mktemp("log") / "server.jsonl"


@pytest.fixture(scope="session")
def link(databases: Path, log: Path) -> Iterator[str]:
    """Serve the databases; the link that the server prints."""
    with log.open("w") as lines, served(databases, lines) as link:
        yield link


@contextmanager
def served(databases: Path, log: IO[str], *, options: Sequence[str] = ()) -> Iterator[str]:
    """Serve inside the block; the link that the server prints."""
    settings = {name: value for name, value in os.environ.items() if "SQLATCH" not in name}
    settings |= {"SQLATCH_HTTP_AUTH": "token", "SQLATCH_RESULT_BYTES_MAX": "40000000"}
    kept = options or ("--databases", str(databases))
    with serving(*kept, "--json", environment=settings, log=log) as said:
        url = re.sub(r"/main/$", "", said["SQLATCH_URL"])
        yield f"{url}/console#token={said['SQLATCH_TOKEN']}"


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@dataclass
class Window:
    """The context of the browser, which all tests share, and what its pages said and asked."""

    context: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def window(browser: Any) -> Window:
    """Return one context with one page: to begin with a new one costs as much as a whole test."""
    permissions = ["clipboard-read", "clipboard-write"]
    window = Window(browser.new_context(permissions=permissions, reduced_motion="reduce"))
    window.context.set_default_timeout(TIMEOUT_MS)
    window.context.on("console", lambda message: window.said.append(message.text))
    window.context.on("weberror", lambda error: window.said.append(str(error.error)))
    window.context.on("request", lambda request: window.asked.append(request.url))
    window.context.new_page()
    return window


@pytest.fixture
def opened(window: Window, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Open the page; no request of it may leave its own origin, and nothing may be refused."""
    window.said.clear()
    window.asked.clear()
    first, *_others = window.context.pages
    used: list[Any] = []

    def opened(fragment: str = "", *, width: int = WIDTH, at: str | None = None) -> Any:
        page = window.context.new_page() if first in used else first
        used.append(page)
        page.set_viewport_size({"width": width, "height": HEIGHT})
        page.goto((at or request.getfixturevalue("link")) + fragment)
        # The address says where the page is once it knows what is in the database.
        page.wait_for_url(re.compile("#view=.*&db="))
        return page

    yield opened
    first.unroute_all(behavior="ignoreErrors")
    first.emulate_media(color_scheme="light")
    if used:
        first.evaluate("() => { localStorage.clear(); sessionStorage.clear() }")
    first.goto("about:blank")
    for page in window.context.pages[1:]:
        page.close()
    assert [url for url in window.asked if not url.startswith(OWN)] == []
    assert [url for url in window.asked if "token" in url] == []
    # A refusal of the service is an HTTP status, which Chromium writes down too.
    assert [text for text in window.said if not text.startswith("Failed to load resource")] == []


def screen(page: Any, name: str) -> None:
    """Write a picture of the page to build/screens; one in another form only with SCREENS=all."""
    if not name.endswith("-light") and os.environ.get("SCREENS") != "all":
        return
    SCREENS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENS / f"{name}.png", caret="initial")


def type_in(page: Any, sql: str) -> None:
    """Put SQL into the editor in place of all that is there."""
    page.get_by_role("textbox", name="SQL").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(sql)


def run(page: Any, sql: str) -> None:
    """Put SQL into the editor, and run it."""
    type_in(page, sql)
    page.keyboard.press("Control+Enter")


def status(page: Any, *texts: str) -> None:
    """Wait until the line of the result says these texts."""
    for text in texts:
        page.locator(".status", has_text=text).wait_for()


def cells(page: Any, *texts: str) -> None:
    """Wait until the cells in sight have these texts, row by row."""
    from playwright.sync_api import expect

    expect(page.get_by_role("gridcell")).to_have_text(list(texts), timeout=TIMEOUT_MS)


def copied(page: Any) -> str:
    """Return the text on the clipboard."""
    return str(page.evaluate("() => navigator.clipboard.readText()"))
