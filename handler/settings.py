"""The settings: environment variables as one frozen dataclass, checked at the first request."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from events import schema
from handler.addresses import (
    AT_A_NODE,
    FORMS,
    IN_A_BUCKET,
    IN_A_CLUSTER,
    IN_A_DIRECTORY,
    IN_A_TABLE,
    LEADER,
    LOG,
    NODE,
    misfit,
)

LEASES_FILE = ".leases.sqlite"
IN_LAMBDA = "AWS_LAMBDA_RUNTIME_API"
"""Set by Lambda's runtime, and by its emulator."""


class SettingsError(Exception):
    """A setting is missing or wrong; says which variable and why, on one line."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The service's own settings. Each is the variable of the same name, SQLATCH_ before it."""

    databases: Path | None = field(
        default=None, metadata={"description": "directory of the database files, `<name>.db`"}
    )
    log: str = field(
        default="",
        metadata={
            "description": "`directory:<path>` or `dynamodb:<table>,s3://<bucket>/<prefix>`: each"
            " database is a log of its transactions there, in place of a file; `https://<node>`,"
            " or several separated by commas: the logs of another node, which this one follows;"
            " unset: the files of SQLATCH_DATABASES"
        },
    )
    log_token: str = field(
        default="",
        metadata={
            "description": "token for the node that is followed or that leads, one that may write"
            " to all; unset: requests to it are signed by IAM where AWS answers"
        },
    )
    leader: str = field(
        default="",
        metadata={
            "description": "`https://<node>`: writes are made there, and sent on to it;"
            " `lease:<cluster>`: by the one of the nodes that holds the lease of that name; unset:"
            " everywhere"
        },
    )
    node: str = field(
        default="",
        metadata={
            "description": "URL of this node, at which the others reach it; a node that is to lead"
            " needs it"
        },
    )
    leader_lease_s: float = field(
        default=10,
        metadata={
            "description": "seconds for which a leader has the lease, and after which another node"
            " takes over; it is renewed at a third of them"
        },
    )
    max_age_ms: int = field(
        default=1_000,
        metadata={
            "description": "how old a state a read may get that does not say, at a node that"
            " follows another one"
        },
    )
    copies: Path | None = field(
        default=None,
        metadata={
            "description": "directory on the local disk for this machine's copies of databases in"
            " a log; unset: the system's temporary directory"
        },
    )
    leases: str = field(
        default="",
        metadata={
            "description": "`dynamodb:<table>` or `sqlite:<file>`; unset: a file beside the"
            " databases, for one machine (an error on Lambda). A log in DynamoDB needs none"
        },
    )
    read_only: bool = field(
        default=False, metadata={"description": "refuse everything that would write"}
    )
    create: Literal["on-write", "never"] = field(
        default="on-write",
        metadata={"description": "whether the first write makes a database: `never` or"},
    )
    vectors: bool = field(
        default=False,
        metadata={
            "description": "load sqlite-vec, for tables of vectors; the build must have it"
            " (`make build VECTORS=1`)"
        },
    )
    rows_max: int = field(
        default=100_000, metadata={"description": "rows of one statement, RESULT_TOO_LARGE past it"}
    )
    result_bytes_max: int = field(
        default=5_500_000, metadata={"description": "bytes of a reply's rows as JSON, likewise"}
    )
    results: str = field(
        default="",
        metadata={
            "description": "`s3://<bucket>/<prefix>`: where a whole result is written for a caller"
            " that asks for a link to it; unset: links are refused"
        },
    )
    results_minutes: int = field(
        default=60, metadata={"description": "how long such a link is good, 1,440 at most"}
    )
    results_bytes_max: int = field(
        default=1_000_000_000,
        metadata={"description": "bytes of such a result before gzip, RESULT_TOO_LARGE past it"},
    )
    timeout_ms: int = field(
        default=10_000, metadata={"description": "deadline of a request that names none"}
    )
    idempotency_days: float = field(
        default=5, metadata={"description": "how long the record of an idempotent write is kept"}
    )
    history_days: float = field(
        default=7,
        metadata={
            "description": "how long each state of a database in a log can still be read (`at`);"
            " 0: only what the snapshots have"
        },
    )
    token_keys: str = field(
        default="",
        metadata={
            "description": "public keys that tokens are checked with, PEM or JWKS; unset: none is"
            " taken"
        },
    )
    http_auth: Literal["none", "token"] = field(
        default="none", metadata={"description": "`token`: HTTP takes only requests with a token"}
    )
    jwt_databases_claim: str = field(
        default="",
        metadata={
            "description": "claim of a JWT, verified by API Gateway, that names the databases;"
            " unset: all"
        },
    )
    console: bool = field(
        default=False,
        metadata={"description": "serve the console, a page in the browser, at GET /console"},
    )

    def __post_init__(self) -> None:
        for name in ("leader", "node"):
            object.__setattr__(self, name, getattr(self, name).rstrip("/"))
        if not self.leases and self.log_table is None and not self.nodes:
            object.__setattr__(self, "leases", f"sqlite:{self.home / LEASES_FILE}")

    @property
    def log_directory(self) -> Path | None:
        """The directory of the logs, None where there is none."""
        is_one = self.log.startswith(IN_A_DIRECTORY)
        return Path(self.log.removeprefix(IN_A_DIRECTORY)) if is_one else None

    @property
    def log_table(self) -> tuple[str, str, str] | None:
        """The table, the bucket and the prefix in it of the logs, None where they are elsewhere."""
        found = IN_A_TABLE.fullmatch(self.log)
        return None if found is None else (found[1], found[2], found[3] and f"{found[3]}/")

    @property
    def nodes(self) -> tuple[str, ...]:
        """The URLs of the node whose logs are followed; empty where there is none."""
        return tuple(self.log.split(",")) if AT_A_NODE.fullmatch(self.log) else ()

    @property
    def cluster(self) -> str | None:
        """The cluster whose lease says who leads, None where nothing or a setting says it."""
        is_one = self.leader.startswith(IN_A_CLUSTER)
        return self.leader.removeprefix(IN_A_CLUSTER) if is_one else None

    @property
    def leads_elsewhere(self) -> bool:
        """Return whether a setting names another node as the one that writes."""
        return bool(self.leader) and self.cluster is None and self.leader != self.node

    @property
    def history_s(self) -> float:
        return self.history_days * 86_400

    @property
    def results_place(self) -> tuple[str, str]:
        """The bucket of whole results and the prefix in it; empty where none are kept."""
        bucket, _, prefix = self.results.removeprefix(IN_A_BUCKET).partition("/")
        return bucket, prefix and f"{prefix.rstrip('/')}/"

    @property
    def copies_directory(self) -> Path:
        """The directory of copies, without symbolic links, through which no file is opened."""
        if self.copies is not None:
            return self.copies.resolve()
        from tempfile import gettempdir  # 3 ms, with the compressions that it loads

        return Path(gettempdir()).resolve()

    @property
    def home(self) -> Path:
        """The directory with all databases, which also holds the files of the service itself.

        Where databases are in a table, what the service keeps is in it too, and there is none.
        """
        home = self.log_directory or self.databases
        if home is None:
            raise SettingsError(_NO_DATABASES)
        return home

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings in an environment; SettingsError names the variable that is wrong."""
        given = {
            name: environment[variable_of(name)]
            for name in cls.__dataclass_fields__
            if environment.get(variable_of(name))
        }
        if (wrong := misfit(given, in_lambda=bool(environment.get(IN_LAMBDA)))) is not None:
            raise SettingsError(wrong)
        if not given.keys() & {"databases", "log"}:
            raise SettingsError(_NO_DATABASES)
        try:
            return _parse(given)
        except schema.ValidationError as error:
            raise SettingsError(_first_problem(error)) from error


_NO_DATABASES = (
    "SQLATCH_DATABASES: is not set: directory of the database files, `<name>.db` (or SQLATCH_LOG)"
)
_AT_LEAST_1 = schema.integer(ge=1)
_parse = schema.parser(
    Settings,
    strict=False,
    databases=schema.then(Path, schema.text()),
    log=schema.text(pattern=LOG),
    log_token=schema.text(),
    leader=schema.text(pattern=LEADER),
    node=schema.text(pattern=NODE),
    leader_lease_s=schema.real(gt=0),
    max_age_ms=schema.integer(ge=0),
    copies=schema.then(Path, schema.text()),
    leases=schema.text(pattern="^(dynamodb|sqlite):."),
    read_only=schema.boolean(),
    vectors=schema.boolean(),
    create=schema.one_of(["on-write", "never"]),
    rows_max=_AT_LEAST_1,
    result_bytes_max=_AT_LEAST_1,
    results=schema.text(pattern=f"^{IN_A_BUCKET}[^/]"),
    results_minutes=schema.integer(ge=1, le=1_440),
    results_bytes_max=_AT_LEAST_1,
    timeout_ms=schema.integer(ge=1, le=900_000),
    idempotency_days=schema.real(gt=0),
    history_days=schema.real(ge=0),
    token_keys=schema.text(),
    http_auth=schema.one_of(["none", "token"]),
    jwt_databases_claim=schema.text(),
    console=schema.boolean(),
)


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"SQLATCH_{name.upper()}"


def _first_problem(error: schema.ValidationError) -> str:
    problem = error.errors()[0]
    name = str(problem["loc"][0])
    wanted = f"must be {FORMS[name]}" if name in FORMS else problem["msg"]
    return f"{variable_of(name)}: {wanted}, but it is {problem['input']!r}"
