"""The program of a client: function instances, each a process forked with all imported.

A connection begins with one message:
    {"shell": command}                      answered by {"status", "output"}
    {"user", "log", "is_buffered"}          answered by {"pid"}; from then on an open log:
        {"do": [what, ...]}                 answered by {"done"}
    {"user", "environment", "faults"}       answered by {"pid"}; from then on an instance:
        {"event": {...}}                    answered by {"reply", "commit_ms"} or {"error"}
        {"order": "free leases"}            answered by {"done"}
"""

import json
import os
import signal
import socket
import subprocess
import time
import traceback
from collections.abc import Iterator
from typing import Any

import boto3

from handler import local
from handler.service import service
from sqlatch.kernel.errors import SqlatchError
from storage.inplace.store import Store
from tests.nfs import faults
from tests.nfs.logs import OpenLog

PORT = 9000


def serve() -> None:
    """Answer connections, each in a process of its own, as long as the machine runs."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What a client is made from is kept by boto3, so no instance has to load it.
    boto3.client("dynamodb", region_name="us-east-1").close()
    with socket.create_server(("", PORT), backlog=64) as server:
        while True:
            connection, _address = server.accept()
            if os.fork() == 0:
                server.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                conversation = Conversation(connection)
                try:
                    _converse(conversation)
                except Exception:  # noqa: BLE001  (whatever it is, the test has to hear of it)
                    conversation.send({"bug": traceback.format_exc()})
                os._exit(0)
            connection.close()


class Conversation:
    """A connection, a line of JSON each way."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._connection = connection
        self._lines = connection.makefile("rb")

    def send(self, message: Any) -> None:
        self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self) -> dict[str, Any]:
        return json.loads(next(self._lines))

    def rest(self) -> Iterator[dict[str, Any]]:
        return map(json.loads, self._lines)

    def hold(self) -> None:
        """Say that this process is held, and wait for a message that says when to go on."""
        self.send({"held": True})
        time.sleep(self.receive().get("after_s", 0))

    def close(self) -> None:
        self._lines.close()
        self._connection.close()


def _converse(conversation: Conversation) -> None:
    first = conversation.receive()
    if "shell" in first:
        done = subprocess.run(
            ["/bin/sh", "-c", first["shell"]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        conversation.send({"status": done.returncode, "output": done.stdout})
        return
    os.setgid(first["user"])
    os.setuid(first["user"])
    if "log" in first:
        log = OpenLog(first["log"], is_buffered=first["is_buffered"])
        conversation.send({"pid": os.getpid()})
        for message in conversation.rest():
            conversation.send({"done": log.order(*message["do"])})
        return
    os.environ.update(first["environment"])
    commits_ms = _measured_commits()
    _kept = faults.put_in(conversation.hold, conversation.close, **first["faults"])
    if first["faults"]:
        # Loading the SDK takes longer here than a transaction, which is what a timeout is about.
        _client = service().leases
    conversation.send({"pid": os.getpid()})
    for message in conversation.rest():
        if "event" in message:
            conversation.send(_answer(message["event"], commits_ms))
        else:
            conversation.send({"done": ORDERS[message["order"]]()})


def _answer(event: Any, commits_ms: list[float]) -> dict[str, Any]:
    local.TIMEOUT_S = event.get("timeout_ms", 60_000) / 1000 + 1
    try:
        reply = local.invoke(event)
    except SqlatchError as error:
        return {"error": error.body()}
    return {"reply": reply, "commit_ms": commits_ms[-1] if commits_ms else None}


def _measured_commits() -> list[float]:
    """Return a list to which each commit of this process adds its milliseconds."""
    commits_ms: list[float] = []
    commit = Store._commit

    def measured(store: Store, session: Any) -> None:
        started_s = time.perf_counter()
        commit(store, session)
        commits_ms.append((time.perf_counter() - started_s) * 1000)

    Store._commit = measured  # type: ignore[assignment]
    return commits_ms


def free_leases() -> int:
    """Give back every lease, so that a writer finds no trace of one that was killed."""
    leases = service().leases
    held = leases.held()
    for lease in held:
        leases._release(lease.database, lease.lock_id, until_s=0.0)
    return len(held)


ORDERS = {"free leases": free_leases}

if __name__ == "__main__":
    serve()
