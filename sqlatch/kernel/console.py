"""The console: a page in the browser, whose files are kept in `page/` and served over HTTP."""

import base64
import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

PATH = "/console"

PAGE = Path(__file__).parent / "page"
TYPES = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".html": "text/html; charset=utf-8",
}
HASH_CHARACTERS = 12

FOR_EVER = "public, max-age=31536000, immutable"
"""An asset never changes: its name holds the hash of its content."""

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
"""Nothing inline, no host but the page's own, and no way to make HTML or script of a text."""

HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class File:
    """A file of the page as it is sent."""

    content: bytes
    packed: bytes
    content_type: str
    cache_control: str


def answer(path: str, *, accepts_gzip: bool) -> dict[str, Any] | None:
    """Return the answer to a GET, in the shape of API Gateway; None if the path is not the page's.

    The page itself holds no data, so it is given to everybody; what it asks needs a token.
    """
    file = _files().get(path)
    if file is None:
        return None
    headers = {**HEADERS, "content-type": file.content_type, "cache-control": file.cache_control}
    headers["vary"] = "accept-encoding"
    if accepts_gzip:
        headers["content-encoding"] = "gzip"
        body = base64.b64encode(file.packed).decode("ascii")
        return {"statusCode": 200, "headers": headers, "body": body, "isBase64Encoded": True}
    return {
        "statusCode": 200,
        "headers": headers,
        "body": file.content.decode(),
        "isBase64Encoded": False,
    }


def is_asked(path: str) -> bool:
    """Return whether a path may be one of the page's: `/console` or a file right below it."""
    return path == PATH or (path.startswith(f"{PATH}/") and "/" not in path[len(PATH) + 1 :])


@cache
def _files() -> Mapping[str, File]:
    """Return the files by their paths: assets by names that hold their hashes, and the page."""
    assets = {path.name: path.read_bytes() for path in PAGE.iterdir() if path.suffix != ".html"}
    names = {name: _hashed(name, content) for name, content in assets.items()}
    page = (PAGE / "console.html").read_text()
    for name, hashed in names.items():
        page = page.replace(f"console/{name}", f"console/{hashed}")
    files = {
        f"{PATH}/{names[name]}": _file(name, content, FOR_EVER) for name, content in assets.items()
    }
    return {PATH: _file("console.html", page.encode(), "no-cache"), **files}


def _hashed(name: str, content: bytes) -> str:
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{sha256(content).hexdigest()[:HASH_CHARACTERS]}{dot}{suffix}"


def _file(name: str, content: bytes, cache_control: str) -> File:
    packed = gzip.compress(content, mtime=0)
    return File(content, packed, TYPES[Path(name).suffix], cache_control)
