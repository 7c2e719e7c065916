"""The settings: environment variables as one frozen model, checked at the first request."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

LEASES_FILE = ".leases.sqlite"
IN_LAMBDA = "AWS_LAMBDA_RUNTIME_API"
"""Set by Lambda's runtime, and by its emulator."""


class SettingsError(Exception):
    """A setting is missing or wrong; says which variable and why, on one line."""


class Settings(BaseModel):
    """The service's own settings. Each is the variable of the same name, SQLATCH_ before it."""

    model_config = ConfigDict(frozen=True)

    databases: Path = Field(description="directory of the database files, `<name>.db`")
    leases: Annotated[str, Field(pattern="^(dynamodb|sqlite):.")] = Field(
        default="",
        validate_default=False,
        description="`dynamodb:<table>` or `sqlite:<file>`; unset: a file beside the databases,"
        " for one machine (an error on Lambda)",
    )
    read_only: bool = Field(default=False, description="refuse everything that would write")
    create: Literal["on-write", "never"] = Field(
        default="on-write", description="whether the first write makes a database: `never` or"
    )
    rows_max: int = Field(
        default=100_000, ge=1, description="rows of one statement, RESULT_TOO_LARGE past it"
    )
    result_bytes_max: int = Field(
        default=5_500_000, ge=1, description="bytes of a reply's rows as JSON, likewise"
    )
    timeout_ms: int = Field(
        default=10_000, ge=1, le=900_000, description="deadline of a request that names none"
    )
    idempotency_days: float = Field(
        default=5, gt=0, description="how long the record of an idempotent write is kept"
    )
    token_keys: str = Field(
        default="",
        description="public keys that tokens are checked with, PEM or JWKS; unset: none is taken",
    )
    http_auth: Literal["none", "token"] = Field(
        default="none", description="`token`: HTTP takes only requests with a token"
    )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The settings in an environment; SettingsError names the variable that is wrong."""
        given = {
            name: environment[variable_of(name)]
            for name in cls.model_fields
            if environment.get(variable_of(name))
        }
        if "leases" not in given and environment.get(IN_LAMBDA):
            raise SettingsError(
                "SQLATCH_LEASES: is not set; on Lambda it is dynamodb:<table>,"
                " since a file of leases would lie on NFS"
            )
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsError(_first_problem(error)) from error

    @model_validator(mode="after")
    def _default_leases(self) -> Self:
        if not self.leases:
            object.__setattr__(self, "leases", f"sqlite:{self.databases / LEASES_FILE}")
        return self


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return f"SQLATCH_{name.upper()}"


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    variable = variable_of(str(problem["loc"][0]))
    if problem["type"] == "missing":
        return (
            f"{variable}: is not set: {Settings.model_fields[str(problem['loc'][0])].description}"
        )
    return f"{variable}: {problem['msg']}, but it is {problem['input']!r}"
