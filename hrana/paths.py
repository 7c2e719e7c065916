"""The paths of the protocol, which name a database, a version and an endpoint."""

import re
from dataclasses import dataclass

from hrana.refusals import RequestRefused

_PATH = re.compile(
    r"(?:/+(?P<database>[^/]+))?/+(?P<version>v1|v2|v3|v3-protobuf)(?:/+(?P<name>[a-z]+))?/*",
    re.ASCII,
)
"""A client may put its own slash behind a URL that ends in one."""

_DATABASE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_NAMES = {
    "v1": {"execute", "batch"},
    "v2": {"pipeline"},
    "v3": {"pipeline", "cursor"},
    "v3-protobuf": set[str](),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A database, a version of the protocol, and an endpoint; empty where the path has none."""

    database: str
    version: str
    name: str


def endpoint_of(path: str) -> Endpoint | None:
    """Return the endpoint of a path of the protocol; None for any other path."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    return Endpoint(found["database"] or "", found["version"], found["name"] or "")


def check_endpoint(endpoint: Endpoint, *, base_url: str, example: str) -> None:
    """RequestRefused if there is no such path, or it names no database, as `example` would.

    A client that resolves a path against a URL without a slash at its end drops the URL's last
    part: were there a database by default, a write to `.../orders` would land in it.
    """
    if endpoint.name not in _NAMES[endpoint.version]:
        known = ", ".join(
            f"/DATABASE/{version}/{name}"
            for version, names in _NAMES.items()
            for name in sorted(names)
        )
        raise RequestRefused(f"no such path; there are {known}", "NOT_FOUND", status=404)
    if not endpoint.database:
        raise RequestRefused(
            f"the URL names no database; write {base_url}/{example}/ (or another database in place"
            f" of {example}), with the slash at its end: many clients drop what has no slash behind"
            " it",
            "DATABASE_NOT_NAMED",
        )
    if not _DATABASE.fullmatch(endpoint.database):
        raise RequestRefused(
            f"{endpoint.database!r} is not the name of a database: a to z, 0 to 9, - and _, not"
            " beginning with - or _, 63 characters at most",
            "BAD_REQUEST",
        )
