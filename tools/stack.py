"""A deployed stack, by its outputs: the calls that its doors take."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config

from sqlatch.transports.http import HttpTransport
from sqlatch.transports.signature import signer
from sqlatch.url import HttpTarget, target_of

DATABASE = "smoke"
OUTPUTS = {
    "ApiUrl", "OrderedWriteQueueUrl", "QueryFunctionName", "ReadFunctionName",
    "ReaperFunctionName", "WriteQueueUrl",
}  # fmt: skip
CALL_S = 35.0
"""Longer than API Gateway waits."""


class Refused(Exception):
    """A function raised, or was killed."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.name = str(error.get("errorType", ""))
        super().__init__(f"{self.name}: {error.get('errorMessage', '')}")


@dataclass(frozen=True, slots=True)
class Stack:
    """Outputs and parameters of the stack, and the callers' tokens."""

    outputs: Mapping[str, str]
    parameters: Mapping[str, str]
    token: str | None = None
    jwt: str | None = None
    database: str = DATABASE
    clients: dict[str, Any] = field(default_factory=dict)

    @property
    def authorization(self) -> str:
        return self.parameters.get("Authorization", "IAM")

    @property
    def missing(self) -> str:
        """The variable of the environment that HTTP requests need and that is not set, or none."""
        needed = {"JWT": ("SQLATCH_JWT", self.jwt), "TOKEN": ("SQLATCH_TOKEN", self.token)}
        name, given = needed.get(self.authorization, ("", "signed"))
        return "" if given else name

    def query(self, event: Mapping[str, Any], *, asynchronous: bool = False) -> dict[str, Any]:
        return self.invoke("QueryFunctionName", event, asynchronous=asynchronous)

    def read(self, event: Mapping[str, Any]) -> dict[str, Any]:
        return self.invoke("ReadFunctionName", event)

    def invoke(
        self, output: str, event: Mapping[str, Any], *, asynchronous: bool = False
    ) -> dict[str, Any]:
        """Invoke the function that an output names; Refused if it raised."""
        answer = self._client("lambda").invoke(
            FunctionName=self.outputs[output],
            Payload=json.dumps(event),
            InvocationType="Event" if asynchronous else "RequestResponse",
        )
        content = answer["Payload"].read()
        reply: dict[str, Any] = json.loads(content) if content else {}
        if "FunctionError" in answer:
            raise Refused(reply)
        return reply

    def http(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        credentials: bool = True,
    ) -> tuple[int, Any]:
        """Status and body of an answer of the HTTP API."""
        target = target_of(f"{self.outputs['ApiUrl']}/{self.database}/")
        assert isinstance(target, HttpTarget)
        transport = HttpTransport(target)
        if credentials and self.authorization == "IAM":
            transport = HttpTransport(target, sign=signer(target))
        elif credentials:
            bearer = self.jwt if self.authorization == "JWT" else self.token
            transport = HttpTransport(target, token=bearer)
        content = b"" if method == "GET" else json.dumps(body).encode()
        status, answer = transport.send(method, path, content, {}, timeout_s=CALL_S)
        transport.close()
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode(errors="replace")

    def send(self, output: str, event: Mapping[str, Any], *, group: str = "") -> None:
        """Send a message to the queue that an output names."""
        ordered = {"MessageGroupId": group, "MessageDeduplicationId": event["idempotency_key"]}
        self._client("sqs").send_message(
            QueueUrl=self.outputs[output],
            MessageBody=json.dumps(event),
            **(ordered if group else {}),
        )

    def _client(self, service: str) -> Any:
        if service not in self.clients:
            # One attempt: a call that is sent again behind our back would hide what failed.
            config = Config(read_timeout=CALL_S, retries={"total_max_attempts": 1})
            self.clients[service] = boto3.client(service, config=config)  # type: ignore[call-overload]
        return self.clients[service]


def find(name: str, *, token: str | None, jwt: str | None) -> Stack:
    """The stack of this name, in the region and account of the credentials."""
    (found,) = boto3.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    return Stack(
        {one["OutputKey"]: one["OutputValue"] for one in found.get("Outputs", [])},
        {one["ParameterKey"]: one["ParameterValue"] for one in found.get("Parameters", [])},
        token=token or None,
        jwt=jwt or None,
    )
