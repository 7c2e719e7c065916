"""DynamoDB and S3 on this machine: moto's server, with a table and a bucket for databases.

    python -m examples.aws      prints the settings of a service on them, serves until interrupted

It holds everything in memory, and answers one request at a time.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from typing import Any
from unittest import mock

from sqlatch.kernel.aws.service import Service
from tests import dynamodb_server

NAME = "sqlatch"


@contextmanager
def running() -> Iterator[dict[str, str]]:
    """Yield the settings of a service whose databases are there, as long as the block lasts."""
    if find_spec("moto") is None:
        raise ModuleNotFoundError("moto is not installed: `make demo AWS=1` installs it")
    # The copies go with the server: of what the next one has they would know nothing.
    with dynamodb_server.running() as url, tempfile.TemporaryDirectory() as copies:
        environment = {**dynamodb_server.CREDENTIALS, "AWS_ENDPOINT_URL": url}
        os.environ |= environment
        log = dynamodb_server.create_log(url, NAME)
        yield {**environment, "SQLATCH_LOG": log, "SQLATCH_COPIES": copies}


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count the calls to AWS in the block: operations of DynamoDB, methods of HTTP for S3."""
    calls: Counter[str] = Counter()
    send = Service.send

    def counting(service: Service, request: Any, **options: Any) -> Any:
        target = request.headers.get("x-amz-target", f"S3 {request.method}")
        calls[target.rpartition(".")[2]] += 1
        return send(service, request, **options)

    with mock.patch.object(Service, "send", counting):
        yield calls


def main() -> None:
    """Serve until interrupted."""
    with suppress(KeyboardInterrupt), running() as settings:
        pairs = " ".join(f"{name}={value}" for name, value in settings.items())
        sys.stdout.write(f"export {pairs}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
