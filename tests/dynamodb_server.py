"""DynamoDB as AWS serialises it: moto's server, one request at a time, in a process of its own.

moto checks a condition and then writes without a lock between the two, so two conditional writes at
once can both succeed; behind one lock they cannot.

    python -m tests.dynamodb_server DELAY_MS ADDRESS    prints its URL, serves until its stdin ends
"""

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.servers import serving

TABLE = "leases"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@contextmanager
def running(
    delay_ms: float = 0, *, address: str = "127.0.0.1", launcher: Sequence[str] = ()
) -> Iterator[str]:
    """The URL of a server with the table `leases`, alive inside the block.

    `launcher` is a command that starts it, say in another network.
    """
    arguments = ("tests.dynamodb_server", str(delay_ms), address)
    with serving(*arguments, launcher=launcher, stderr=subprocess.DEVNULL) as url:
        yield url


def create_table(url: str, name: str = TABLE) -> None:
    """A table as the template makes it."""
    import boto3

    client = boto3.client("dynamodb", endpoint_url=url)
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.close()


def create_log(url: str, name: str) -> str:
    """A table and a bucket for databases in a log. Return the setting that names them."""
    import boto3

    dynamodb = boto3.client("dynamodb", endpoint_url=url)
    dynamodb.create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    dynamodb.close()
    s3 = boto3.client("s3", endpoint_url=url)
    s3.create_bucket(Bucket=name)
    s3.close()
    return f"dynamodb:{name},s3://{name}/logs"


def moto(delay_s: float = 0) -> Callable[..., list[bytes]]:
    """moto's WSGI application, one request at a time, each after a delay."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

    app: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        time.sleep(delay_s)
        # All of it, before the lock: a client that is stopped while it sends must not stop others.
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        with lock:
            return list(app(environ, start_response))

    return answer


def serve(app: Callable[..., Iterable[bytes]], address: str, *tables: str) -> None:
    """Print the URL, and answer until stdin ends."""
    os.environ.update(CREDENTIALS)
    from werkzeug.serving import make_server

    server = make_server(address, 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://{address}:{server.server_port}"
    for table in tables:
        create_table(url, table)
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    serve(moto(float(sys.argv[1]) / 1000), sys.argv[2], TABLE)
