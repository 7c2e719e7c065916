"""Every door of a deployed stack, tried once: what answers, what fails, and where to look.

    python -m tools.smoke STACK     AWS credentials and the region as for the AWS CLI

In the environment: SQLATCH_TOKEN, a token signed with the key to one of TokenKeys, for libSQL and
for Authorization=TOKEN; SQLATCH_JWT, a token of the identity provider, for Authorization=JWT.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from botocore.exceptions import BotoCoreError, ClientError

from events.http import ROUTES
from sqlatch import dbapi
from sqlatch.kernel.errors import SqlatchError
from tools.stack import CALL_S, OUTPUTS, Refused, Stack, find

ANCHOR = "docs/runbook.md#"
CREATE = "CREATE TABLE IF NOT EXISTS smoke (run TEXT, what TEXT)"
INSERT = "INSERT INTO smoke (run, what) VALUES (?, ?)"
COUNT = "SELECT count(*) FROM smoke WHERE run = ? AND what = ?"
RUNAWAY = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " INSERT INTO smoke (run, what) SELECT ?, ? FROM n"
)
DROP = "DROP TABLE IF EXISTS smoke"
OK, UNAUTHORIZED, FORBIDDEN = 200, 401, 403
WAIT_S, PAUSE_S = 60.0, 0.2
"""For a row that comes by a queue, and between two looks for it."""


class Failed(Exception):
    """A door answered otherwise than it should; says how."""


class Skipped(Exception):
    """A door could not be tried; says what it needs."""


@dataclass(slots=True)
class Smoke:
    """One run: the stack, a name for its rows, and what has been learnt of AWS on the way."""

    stack: Stack
    run: str = field(default_factory=lambda: uuid4().hex[:12])
    answers: dict[str, str] = field(default_factory=dict)

    def statement(self, query: str, *parameters: str) -> dict[str, Any]:
        return {"query": query, "parameters": parameters, "database": self.stack.database}

    def insert(self, what: str) -> dict[str, Any]:
        key = f"smoke-{self.run}-{what}"
        return self.statement(INSERT, self.run, what) | {"idempotency_key": key}

    def counting(self, what: str) -> dict[str, Any]:
        return self.statement(COUNT, self.run, what)

    def count(self, what: str) -> int:
        return int(self.stack.query(self.counting(what))["rows"][0][0])

    def wait_for(self, what: str) -> str:
        """Wait until the row is there, which came by a way that answers nobody."""
        started_s = time.monotonic()
        while (count := self.count(what)) == 0:
            if time.monotonic() - started_s > WAIT_S:
                raise Failed(f"accepted, but its row is not there after {WAIT_S:g} s")
            time.sleep(PAUSE_S)
        expect(count == 1, f"its row is there {count} times")
        return f"its row was there after {time.monotonic() - started_s:.1f} s"


def expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 (as assert)
    if not holds:
        raise Failed(otherwise)


def direct(smoke: Smoke) -> str:
    smoke.stack.query(smoke.statement(CREATE))
    smoke.stack.query(smoke.insert("direct"))
    expect(smoke.count("direct") == 1, "the row that was written is not there")
    return f"{smoke.stack.outputs['QueryFunctionName']} wrote and read {smoke.stack.database}"


def health(smoke: Smoke) -> str:
    report = smoke.stack.query({"health": True})
    parts = {part: report[part] for part in ("directory", "lease_table", "memory")}
    expect(report["status"] == "ok", f"{report['status']}: {parts}")
    return f"version {report['version']}, SQLite {report['sqlite_version']}"


def repeat(smoke: Smoke) -> str:
    first, second = (smoke.stack.query(smoke.insert("repeat")) for _ in range(2))
    expect(not first["meta"]["replayed"], "the first was taken for a repeat")
    expect(second["meta"]["replayed"], "the second was not taken for a repeat")
    expect(smoke.count("repeat") == 1, "it was written twice")
    return "the same key twice: written once, and the first reply again"


def read_function(smoke: Smoke) -> str:
    question = "Does EFS give read locks to a role without ClientWrite?"
    smoke.answers[question] = "no, or not known: see the check of the read function"
    rows = smoke.stack.read(smoke.counting("direct"))["rows"]
    smoke.answers[question] = "yes: ReadFunction read a database, and SQLite locks what it reads"
    with refused("ReadOnly"):
        smoke.stack.read(smoke.insert("read"))
    expect(rows == [[1]], f"it read {rows}, not the row that was written")
    return "read what was written, and refused to write"


def http(smoke: Smoke) -> str:
    stack = smoke.stack
    if stack.missing:
        raise Skipped(f"the stack's Authorization is {stack.authorization}: set {stack.missing}")
    status, body = stack.http("POST", "/query", smoke.insert("http"))
    expect(status == OK, f"POST /query: {status} {body}")
    status, body = stack.http("POST", "/read", smoke.counting("direct"))
    expect(status == OK, f"POST /read: {status} {body}")
    status, body = stack.http("GET", "/health")
    expect(status == OK, f"GET /health: {status} {body}")
    path = f"/{stack.database}/read"
    status, body = stack.http("POST", path, smoke.counting("http"))
    expect(status == OK, f"POST {path}: {status} {body}")
    expect(body["rows"] == [[1]], "POST /query answered 200, and its row is not there")
    return f"/query, /read, {path} and /health by {stack.authorization}"


def closed(smoke: Smoke) -> str:
    question = "Does API Gateway let everybody through to a route with `security: []`?"
    smoke.answers[question] = "not asked: only with TokenKeys there are such routes"
    for route, (method, *_others) in ROUTES.items():
        path = route.format(database=smoke.stack.database)
        status, body = smoke.stack.http(method, path, {"query": "SELECT 1"}, credentials=False)
        expect(status in {UNAUTHORIZED, FORBIDDEN}, f"{method} {path} without any: {status} {body}")
    if smoke.stack.parameters.get("TokenKeys"):
        path = f"/{smoke.stack.database}/v3/pipeline"
        status, body = smoke.stack.http("POST", path, {"requests": []}, credentials=False)
        reached = status == UNAUTHORIZED and "code" in body
        smoke.answers[question] = (
            "yes: the function itself refused a request without a token"
            if reached
            else f"no: {status} {body}"
        )
        expect(reached, f"POST {path} without a token: not the function answered: {status} {body}")
    return "refused without credentials"


def libsql(smoke: Smoke) -> str:
    question = "Do the libSQL routes stand beside /query?"
    smoke.answers[question] = "not asked: it needs TokenKeys and SQLATCH_TOKEN"
    stack = smoke.stack
    if not stack.parameters.get("TokenKeys"):
        raise Skipped("the stack takes no tokens (TokenKeys is empty)")
    if not stack.token:
        raise Skipped("needs a token: SQLATCH_TOKEN (`sqlatch token`, docs/tokens.md)")
    smoke.answers[question] = "no: see the check of a libSQL client"
    url = f"{stack.outputs['ApiUrl']}/{stack.database}/"
    with dbapi.connect(url, token=stack.token, timeout_s=CALL_S) as connection:
        cursor = connection.cursor()
        cursor.execute(INSERT, (smoke.run, "libsql"))
        cursor.execute(COUNT, (smoke.run, "libsql"))
        expect(cursor.fetchone() == (1,), "the transaction does not see its own row")
        expect(smoke.count("libsql") == 0, "the row is there before COMMIT")
    connection.close()
    expect(smoke.count("libsql") == 1, "the row is not there after COMMIT")
    smoke.answers[question] = (
        "yes: a client of theirs was answered there, /query by the check of HTTP"
    )
    return "a transaction over several requests was committed"


def queue(smoke: Smoke) -> str:
    smoke.stack.send("WriteQueueUrl", smoke.insert("queue"))
    return smoke.wait_for("queue")


def ordered_queue(smoke: Smoke) -> str:
    smoke.stack.send("OrderedWriteQueueUrl", smoke.insert("ordered"), group=smoke.stack.database)
    return smoke.wait_for("ordered")


def asynchronous(smoke: Smoke) -> str:
    smoke.stack.query(smoke.insert("asynchronous"), asynchronous=True)
    return smoke.wait_for("asynchronous")


def deadline(smoke: Smoke) -> str:
    with refused("Timeout"):
        smoke.stack.query(smoke.statement(RUNAWAY, smoke.run, "late") | {"timeout_ms": 500})
    expect(smoke.count("late") == 0, "what it had written stayed")
    smoke.stack.query(smoke.insert("after"))
    return "an endless write was ended, nothing of it stayed, and the next went through"


def kill(_smoke: Smoke) -> str:
    raise Skipped("no request makes a function die. `make e2e` kills the artifact itself")


def reaper(smoke: Smoke) -> str:
    report = smoke.stack.invoke("ReaperFunctionName", {})
    expect(not report["failures"], f"it failed at {report['failures']}")
    return f"reached {report['databases_reached']} of {report['databases']} databases"


UNWELL = (
    Failed, Refused, SqlatchError, dbapi.Error, BotoCoreError, ClientError,
    LookupError, TypeError, ValueError,
)  # fmt: skip
"""Errors of a door that does not answer; the last three, of one that answers something else."""

CHECKS: list[tuple[str, str, Callable[[Smoke], str]]] = [
    ("direct invoke", "functionerrorratealarm", direct),
    ("health", "servererrorratealarm", health),
    ("idempotent repeat", "servererrorratealarm", repeat),
    ("read function", "servererrorratealarm", read_function),
    ("HTTP", "httpservererrorsalarm", http),
    ("HTTP without credentials", "rotating", closed),
    ("libSQL client", "httpservererrorsalarm", libsql),
    ("queue", "writequeueagealarm", queue),
    ("FIFO queue", "orderedwritequeueagealarm", ordered_queue),
    ("asynchronous invoke", "failedinvocationsalarm", asynchronous),
    ("deadline", "durationneartimeoutalarm", deadline),
    ("kill", "invocationskilledalarm", kill),
    ("reaper", "reaperfailingalarm", reaper),
]
"""By name and section of the runbook. The first makes the table that most others use."""


def run(smoke: Smoke) -> int:
    """Try every door and print what came of it; how many failed."""
    failures = 0
    for name, section, check in CHECKS:
        try:
            print(f"ok       {name}: {check(smoke)}", flush=True)
        except Skipped as why:
            print(f"skipped  {name}: {why}", flush=True)
        except UNWELL as error:
            failures += 1
            print(f"failed   {name}: {error} ({type(error).__name__})")
            print(f"         look: {ANCHOR}{section}", flush=True)
    for question, answer in smoke.answers.items():
        print(f"{question}\n         {answer}")
    _clean_up(smoke)
    return failures


def _clean_up(smoke: Smoke) -> None:
    try:
        smoke.stack.query(smoke.statement(DROP))
    except (Refused, BotoCoreError, ClientError) as error:
        print(f"The table smoke of the database {smoke.stack.database} is left behind: {error}")
    else:
        print(
            f"Its table is dropped. The database {smoke.stack.database} stays for the next run:"
            " nothing drops a database."
        )


@contextmanager
def refused(name: str) -> Iterator[None]:
    """Expect the function to raise this error inside the block."""
    try:
        yield
    except Refused as refusal:
        if refusal.name != name:
            raise
    else:
        raise Failed(f"it was not refused with {name}")


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1 or not arguments[0]:
        print("usage: make smoke STACK=name", file=sys.stderr)
        return 2
    tokens = {"token": os.environ.get("SQLATCH_TOKEN"), "jwt": os.environ.get("SQLATCH_JWT")}
    try:
        stack = find(arguments[0], **tokens)
    except (BotoCoreError, ClientError) as error:
        print(f"the stack {arguments[0]!r} cannot be found: {error}", file=sys.stderr)
        return 2
    if lacking := OUTPUTS - stack.outputs.keys():
        print(
            f"the stack has no output {min(lacking)}: it is not of this template", file=sys.stderr
        )
        return 2
    failures = run(Smoke(stack))
    print(
        f"{failures} of {len(CHECKS)} failed" if failures else "every door that was tried answers"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
