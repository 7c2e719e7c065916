"""A worker of `sqlatch serve`: it answers the events on its standard input, one a line, in turn."""

import json
import logging
import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import IO, Any

from handler import log
from handler.beside import engine_of
from handler.local import invoke
from handler.service import service
from handler.settings import Settings, SettingsError
from locking import waiting
from sqlatch.kernel.errors import LeaderUnreachable, SqlatchError

CHECK = "check"
"""In place of an event: answer with what is wrong with the settings, or null."""

AS_JSON = "--json"

MANY = "--many"
"""Answer events at the same time: those of nodes that follow this one, which mostly wait."""

LINE = "line"
"""In an answer, what its line in the log says: the server counts it."""

WAITS = "waits"
"""In a line that is no answer: the database whose lease the request waits for, null when it no
longer does."""

LEAD = "--lead"
"""Answer nothing: stand for the lease of the leader, for this node."""

LOG, REAP = "log", "reap"
REAPED = {
    "leases_reaped": "expired leases",
    "hot_journals_recovered": "journals rolled back",
    "records_purged": "old records",
}
"""The counts of a run of the reaper, and their words in a line for people."""

_BROKEN = {
    "statusCode": 500,
    "headers": {"content-type": "application/json"},
    "body": '{"message": "Internal Server Error"}',
    "isBase64Encoded": False,
}


def main() -> None:
    """Answer until the standard input ends."""
    # The terminal's Ctrl-C goes to all its processes; the server ends this one after its request.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if AS_JSON not in sys.argv:
        for handler in log.lines().handlers:
            handler.setFormatter(Plain())
            handler.addFilter(_is_of_interest)
    if LEAD in sys.argv:
        from handler.nodes.candidacy import stand

        stand()
        return
    last = Last()
    log.lines().addHandler(last)
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints goes to the log, not into the answers.
    os.dup2(2, 1)
    if MANY in sys.argv:
        _answer_many(answers)
        return
    waiting.WAITS.set(lambda database: _write(answers, {WAITS: database}))
    for line in sys.stdin.buffer:
        event = json.loads(line)
        last.fields = None
        answer = _problem() if event == CHECK else _answer(event)
        if last.fields is not None and isinstance(answer, dict):
            answer = {**answer, LINE: last.fields}
        _write(answers, answer)


def _answer_many(answers: IO[bytes]) -> None:
    """Answer events that are numbered, each in a thread of its own, as soon as it can be."""
    writing = threading.Lock()

    def run(number: int, event: dict[str, Any]) -> None:
        answer = _answer(event)
        with writing:
            _write(answers, [number, answer])

    for line in sys.stdin.buffer:
        threading.Thread(target=run, args=json.loads(line), daemon=True).start()


def _write(answers: IO[bytes], answer: Any) -> None:
    """Write a line for the server. If that has died, the request goes on to its end all the same:
    its lease is given back."""
    with suppress(BrokenPipeError):
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()


class Plain(logging.Formatter):
    """The line of a request for people: time, database, what was done, how long it took."""

    def format(self, record: logging.LogRecord) -> str:
        fields = record.__dict__.get("fields")
        if fields is None:
            return super().format(record)
        kind = fields.get("kind", fields["door"])
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        database = fields.get("database", "")
        return (
            f"{clock} {kind:<6} {database:<12} {fields['duration_ms']:>9,.1f} ms  {_done(fields)}"
        )


class Last(logging.Handler):
    """Keeps the fields of the last line."""

    fields: dict[str, Any] | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.fields = record.__dict__.get("fields")


def _done(fields: dict[str, Any]) -> str:
    parts = _reaped(fields)
    if "code" in fields:
        parts.append(fields["code"])
    rows = fields.get("rows", 0)
    if not parts:
        parts.append(f"{rows} rows" if rows or fields.get("kind") == "read" else "ok")
    done = ", ".join(parts)
    return f"{done}: {fields['cause']}" if "cause" in fields else done


def _reaped(fields: dict[str, Any]) -> list[str]:
    """Return what a run of the reaper has done, in words."""
    return [f"{fields[name]} {what}" for name, what in REAPED.items() if fields.get(name)]


def _is_of_interest(record: logging.LogRecord) -> bool:
    """Return False for a run of the reaper that found nothing to do, and for a read of a log."""
    fields = record.__dict__.get("fields", {})
    if fields.get("kind") == LOG and "code" not in fields:
        return False
    return fields.get("kind") != REAP or "code" in fields or bool(_reaped(fields))


def _answer(event: dict[str, Any]) -> dict[str, Any]:
    try:
        service().databases.feed()
        return invoke(event)
    except Exception:
        traceback.print_exc()
        return _BROKEN


def _problem() -> str | None:
    """Return what is wrong with the settings or with the place of the databases."""
    try:
        engine_of(Settings.from_environment(os.environ)).sizes_bytes()
    except LeaderUnreachable:
        return None  # reads go on with the copies that are here
    except SqlatchError as error:
        return error.message
    except SettingsError as error:
        return str(error)
    return None


if __name__ == "__main__":
    main()
