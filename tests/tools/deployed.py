"""A deployed stack on this machine: moto's CloudFormation and SQS, and functions in processes.

API Gateway in front of them asks for a signature (IAM) or a token (JWT), but does not check it.
"""

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

from events.http import ROUTES
from tests import aws_server, http_server
from tests.aws_server import Aws
from tests.instance import Instance

NAME = "sqlatch"
POLL_S = 0.05
QUERY, READ, REAPER = "sqlatch-query:live", "sqlatch-read:live", "sqlatch-reaper"
SIGNED_ROUTES = {path.format(database="smoke") for path in ROUTES}
JWT = "a-jwt"
CREDENTIALS = {"IAM": "AWS4-HMAC-SHA256 ", "JWT": f"Bearer {JWT}", "TOKEN": ""}


@dataclass(slots=True)
class Deployed:
    """The stack: its functions may be replaced, and its queues be cut off."""

    aws: Aws
    parameters: Mapping[str, str]
    url: str = ""
    delivers: threading.Event = field(default_factory=threading.Event)
    delivered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    open_to_all: bool = False

    @property
    def functions(self) -> dict[str, Callable[[Any], Any]]:
        return self.aws.functions


@contextmanager
def deployed(
    directory: Path, parameters: Mapping[str, str], setenv: Callable[[str, str], None]
) -> Iterator[Deployed]:
    """A stack with these parameters, alive inside the block; boto3 is told to call it."""
    settings = {
        "SQLATCH_DATABASES": str(directory),
        "SQLATCH_TOKEN_KEYS": parameters.get("TokenKeys", ""),
        "SQLATCH_HTTP_AUTH": "token" if parameters["Authorization"] == "TOKEN" else "none",
    }
    read_only = {**settings, "SQLATCH_READ_ONLY": "true", "SQLATCH_CREATE": "never"}
    with ExitStack() as stack:
        aws = stack.enter_context(aws_server.running())
        aws.functions[QUERY] = stack.enter_context(Instance(settings))
        aws.functions[READ] = stack.enter_context(Instance(read_only))
        aws.functions[REAPER] = stack.enter_context(Instance(settings, module="handler.reaper"))
        for name, value in aws.environment().items():
            setenv(name, value)
        it = Deployed(aws, parameters)
        gateway = ThreadingHTTPServer(("127.0.0.1", 0), _Gateway)
        gateway.deployed = it  # type: ignore[attr-defined]
        it.url = f"http://127.0.0.1:{gateway.server_port}"
        stack.enter_context(http_server.running(gateway))
        moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        moto.start()
        stack.callback(moto.stop)
        url = f"http://127.0.0.1:{moto.get_host_and_port()[1]}"
        urlopen(Request(f"{url}/moto-api/reset", method="POST")).close()
        setenv("AWS_ENDPOINT_URL", url)
        stack.enter_context(_delivering(it, _create(it)))
        yield it


def _create(it: Deployed) -> list[str]:
    """Create the stack in CloudFormation; the URLs of its queues."""
    queues = {"WriteQueue": {}, "OrderedWriteQueue": {"FifoQueue": True, "QueueName": "o.fifo"}}
    outputs: dict[str, Any] = {f"{name}Url": {"Ref": name} for name in queues}
    outputs |= {"ApiUrl": it.url, "QueryFunctionName": QUERY, "ReadFunctionName": READ}
    outputs["ReaperFunctionName"] = REAPER
    template = {
        "Parameters": {name: {"Type": "String"} for name in it.parameters},
        "Resources": {
            name: {"Type": "AWS::SQS::Queue", "Properties": properties}
            for name, properties in queues.items()
        },
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    given = [
        {"ParameterKey": name, "ParameterValue": value} for name, value in it.parameters.items()
    ]
    client = boto3.client("cloudformation")
    client.create_stack(StackName=NAME, TemplateBody=json.dumps(template), Parameters=given)
    (found,) = client.describe_stacks(StackName=NAME)["Stacks"]
    return [one["OutputValue"] for one in found["Outputs"] if one["OutputKey"].endswith("QueueUrl")]


@contextmanager
def _delivering(it: Deployed, urls: list[str]) -> Iterator[None]:
    """Bring messages to the function, as the event source mappings do."""
    it.delivers.set()
    ended = threading.Event()
    client = boto3.client("sqs")

    def deliver() -> None:
        while not ended.wait(POLL_S):
            for url in urls if it.delivers.is_set() else []:
                _deliver(it, client, url)

    thread = threading.Thread(target=deliver)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _deliver(it: Deployed, client: Any, url: str) -> None:
    received = client.receive_message(QueueUrl=url, AttributeNames=["All"]).get("Messages", [])
    for message in received:
        record = {
            "messageId": message["MessageId"],
            "body": message["Body"],
            "eventSource": "aws:sqs",
            "attributes": message["Attributes"],
        }
        answer = it.functions[QUERY]({"Records": [record]})
        if answer == {"batchItemFailures": []}:
            client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            it.delivered.release()


class _Gateway(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        it: Deployed = self.server.deployed  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        asked = "" if it.open_to_all else CREDENTIALS[it.parameters["Authorization"]]
        given = self.headers.get("authorization", "")
        if self.path in SIGNED_ROUTES and not given.startswith(asked):
            return self._send(403, {}, b'{"message":"Forbidden"}')
        if self.path not in SIGNED_ROUTES and not it.parameters.get("TokenKeys"):
            return self._send(404, {}, b'{"message":"Not Found"}')
        function = it.functions[READ if self.path.endswith("/read") else QUERY]
        answer = function(self._event(body.decode()))
        if "statusCode" not in answer:
            return self._send(500, {}, b'{"message":"Internal Server Error"}')
        content = answer["body"].encode()
        if answer["isBase64Encoded"]:
            content = base64.b64decode(content)
        return self._send(answer["statusCode"], answer["headers"], content)

    do_POST = do_GET

    def _event(self, body: str) -> dict[str, Any]:
        return {
            "version": "2.0",
            "rawPath": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "requestContext": {"http": {"method": self.command}, "stage": "$default"},
            "body": body,
            "isBase64Encoded": False,
        }

    def _send(self, status: int, headers: Mapping[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads it."""
