"""The endpoint of a service of AWS: its region and its address, by the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from sqlatch.kernel.aws.errors import NotConfigured

SUFFIX = "amazonaws.com"
SUFFIXES = {
    "cn-": "amazonaws.com.cn",
    "eusc-": "amazonaws.eu",
    "us-iso-": "c2s.ic.gov",
    "us-isob-": "sc2s.sgov.gov",
    "us-isof-": "csp.hci.ic.gov",
    "eu-isoe-": "cloud.adc-e.uk",
}
"""Domains of AWS by the beginning of the region; all other regions are below SUFFIX."""

UNUSUAL = (
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_USE_FIPS_ENDPOINT",
)
"""Variables with which botocore is asked for the address."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a service in a region."""

    host: str
    port: int
    is_tls: bool
    region: str

    @property
    def authority(self) -> str:
        """The header `host`: with the port where it is not the scheme's."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"

    def below(self, name: str) -> "Endpoint":
        """Return the endpoint whose host is `name` before this one."""
        return replace(self, host=f"{name}.{self.host}")

    @property
    def is_of_aws(self) -> bool:
        """Return whether this is AWS itself, and no server that speaks as it does."""
        return self.host.endswith((f".{SUFFIX}", *(f".{other}" for other in SUFFIXES.values())))


def endpoint_of(service: str, environment: Mapping[str, str]) -> Endpoint:
    """Return the endpoint that botocore would call; NotConfigured without a region.

    botocore is loaded only where a configuration file or an unusual variable has a say.
    """
    region = environment.get("AWS_DEFAULT_REGION") or environment.get("AWS_REGION")
    set_url = environment.get(f"AWS_ENDPOINT_URL_{service.upper()}") or environment.get(
        "AWS_ENDPOINT_URL"
    )
    is_set = region and set_url
    if any(map(environment.get, UNUSUAL)) or (has_files(environment) and not is_set):
        return _by_botocore(service, region)
    if not region:
        raise NotConfigured("there is no AWS region: set AWS_REGION")
    return parsed(set_url or _default_url(service, region), region)


def has_files(environment: Mapping[str, str]) -> bool:
    """Return whether there are files in which settings and credentials may stand."""
    files = (
        environment.get("AWS_CONFIG_FILE", "~/.aws/config"),
        environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"),
    )
    return any(_is_file(file) for file in files)


def parsed(url: str, region: str) -> Endpoint:
    """Return the endpoint at a URL; NotConfigured if it is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NotConfigured(f"{url!r} is not the address of an AWS service: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise NotConfigured(f"{url!r} is not the address of an AWS service: https://HOST[:PORT]")
    is_tls = parts.scheme == "https"
    return Endpoint(parts.hostname, port or (443 if is_tls else 80), is_tls, region)


def _default_url(service: str, region: str) -> str:
    found = (suffix for start, suffix in SUFFIXES.items() if region.startswith(start))
    return f"https://{service}.{region}.{next(found, SUFFIX)}"


def _is_file(path: str) -> bool:
    # A device is none: /dev/null says that there shall be no file.
    try:
        return Path(path).expanduser().is_file()
    except (RuntimeError, OSError):  # nobody's home is known, or it is another's
        return False


def _by_botocore(service: str, region: str | None) -> Endpoint:
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session
    except ImportError as error:
        raise NotConfigured(
            "the AWS settings of this environment are read by botocore, which is not installed:"
            " pip install boto3"
        ) from error
    try:
        meta = get_session().create_client(service, region_name=region).meta
    except BotoCoreError as error:
        raise NotConfigured(f"the AWS settings cannot be used: {error}") from error
    return parsed(str(meta.endpoint_url), str(meta.region_name))
