"""The same handler on your machine: `invoke FILE...` runs test events."""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from handler import query, reaper
from handler.query import Door, door_of

TIMEOUT_S = 29.0
"""Of a local invocation: what the template gives the function."""

DIRECTORY = "databases"


@dataclass(slots=True)
class LocalContext:
    """The context that Lambda passes beside the event."""

    aws_request_id: str = field(default_factory=lambda: str(uuid4()))
    ends_at_s: float = field(default_factory=lambda: time.monotonic() + TIMEOUT_S)

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends_at_s - time.monotonic()) * 1000)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is 1 if a function raised."""
    options = _options(arguments)
    if not {"SQLATCH_DATABASES", "SQLATCH_LOG"} & os.environ.keys():
        Path(DIRECTORY).mkdir(exist_ok=True)
        os.environ["SQLATCH_DATABASES"] = DIRECTORY
    return max([_invoke_file(path) for path in options.files])


def invoke(event: Any) -> dict[str, Any]:
    """Call the function that this event is for; return its answer, or raise its error."""
    if door_of(event) is Door.SCHEDULE:
        return reaper.lambda_handler(event, LocalContext())
    return query.lambda_handler(event, LocalContext())


def _invoke_file(path: Path) -> int:
    """Print what a function answers to the event in a file, as Lambda would show it."""
    try:
        event = json.loads(path.read_bytes())
        answer = invoke(event)
    except Exception as error:
        answer = {"errorType": type(error).__name__, "errorMessage": str(error)}
        status = 1
    else:
        status = 0
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return status


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m handler.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("invoke", help="run events from files, in order")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
