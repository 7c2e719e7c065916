"""A URL as a target: which function or host, and which database there."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from sqlatch.failures import BadUrl

URL_CHARACTERS_MAX = 2_000

_DATABASE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_FUNCTION = re.compile(
    r"(?P<function>(?:arn:[a-z0-9-]+:lambda:[a-z0-9-]+:\d{12}:function:|\d{12}:function:)?"
    r"[A-Za-z0-9_-]{1,64})(?::(?P<qualifier>\$LATEST|[A-Za-z0-9_-]{1,128}))?",
    re.ASCII,
)
_HERE = re.compile(r"localhost|127\.\d+\.\d+\.\d+|::1", re.ASCII)

SHAPES = (
    "lambda://FUNCTION[:QUALIFIER]/DATABASE, https://HOST[/PREFIX]/DATABASE/, http://... or"
    " replica+https://..."
)
REPLICA = "replica+"


@dataclass(frozen=True, slots=True)
class LambdaTarget:
    """A database behind a function that is invoked directly; a function may be an ARN."""

    function: str
    qualifier: str | None
    database: str
    region: str | None = None


@dataclass(frozen=True, slots=True)
class HttpTarget:
    """A database behind an HTTP address; `origin` is scheme, host and port, `prefix` a path."""

    origin: str
    host: str
    prefix: str
    database: str
    region: str | None = None

    @property
    def is_encrypted(self) -> bool:
        return self.origin.startswith("https:")

    @property
    def is_here(self) -> bool:
        """True if the host is this machine."""
        return _HERE.fullmatch(self.host) is not None


@dataclass(frozen=True, slots=True)
class ReplicaTarget:
    """A database that is read from a copy in the caller's process; `leader` is where it lies."""

    leader: HttpTarget

    @property
    def database(self) -> str:
        return self.leader.database


Target = LambdaTarget | HttpTarget | ReplicaTarget


def target_of(url: str) -> Target:
    """Return the target that a URL names; BadUrl says what is wrong, without repeating secrets."""
    if len(url) > URL_CHARACTERS_MAX:
        raise BadUrl(f"the URL has {len(url):,} characters, the limit is {URL_CHARACTERS_MAX:,}")
    if url.startswith(REPLICA):
        return _replica(url.removeprefix(REPLICA))
    try:
        parts = urlsplit(url)
        if parts.scheme != "lambda":
            parts.port  # noqa: B018 (raises if it is not a number)
    except ValueError as error:
        raise BadUrl(f"not a URL: {error}") from error
    if parts.scheme not in {"lambda", "http", "https"}:
        begins = (
            f"the URL begins with {parts.scheme!r}" if parts.scheme else "the URL has no scheme"
        )
        raise BadUrl(f"{begins}; there are {SHAPES}")
    if "@" in parts.netloc:
        raise BadUrl("a URL holds no user or password: give a token beside it")
    if parts.fragment:
        raise BadUrl("a URL of a database has no #fragment")
    prefix, database = _database_of(parts.path)
    region = _region(parts.query)
    if parts.scheme == "lambda":
        return _lambda(parts.netloc, prefix, database, region)
    if not parts.hostname or not parts.netloc.isprintable() or " " in parts.netloc:
        raise BadUrl(f"the URL names no host; there are {SHAPES}")
    return HttpTarget(f"{parts.scheme}://{parts.netloc}", parts.hostname, prefix, database, region)


def _database_of(path: str) -> tuple[str, str]:
    """Split a path into the part before the database, and the database."""
    prefix, slash, database = path.removesuffix("/").rpartition("/")
    database = unquote(database)
    if not slash or not database:
        raise BadUrl(
            f"the URL names no database: put /main behind it, or another; there are {SHAPES}"
        )
    check_database(database)
    return prefix, database


def check_database(name: str) -> None:
    """BadUrl for what cannot be the name of a database."""
    if not _DATABASE.fullmatch(name):
        raise BadUrl(f"{name!r} is not a database name: [a-z0-9][a-z0-9_-]{{0,62}}")


def _replica(url: str) -> ReplicaTarget:
    leader = target_of(url)
    if not isinstance(leader, HttpTarget):
        raise BadUrl("a replica is of a database at replica+https://HOST/DATABASE/, or +http://")
    return ReplicaTarget(leader)


def _lambda(netloc: str, prefix: str, database: str, region: str | None) -> LambdaTarget:
    found = _FUNCTION.fullmatch(unquote(netloc))
    if found is None:
        raise BadUrl(f"{netloc!r} is not a function: give NAME[:QUALIFIER], or its ARN")
    if prefix:
        raise BadUrl("a lambda:// URL has one path segment, the database")
    return LambdaTarget(found["function"], found["qualifier"], database, region)


def _region(query: str) -> str | None:
    options = dict(parse_qsl(query, keep_blank_values=True))
    region = options.pop("region", None)
    if options:
        raise BadUrl(f"the URL has the unknown option {next(iter(options))!r}; there is region")
    if region is not None and not re.fullmatch(r"[a-z0-9-]{1,32}", region, re.ASCII):
        raise BadUrl(f"{region!r} is not a region")
    return region
